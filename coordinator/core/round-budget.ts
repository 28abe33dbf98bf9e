/** The time that a round of training, and its end, may take. Pure. */

import type { Incarnation } from '../../src/base/ids.js';
import { totalOf } from '../../src/data/shard-plan.js';
import { cellsOf, type Grid, rangesOf, rowOf } from './grid.js';
import type { GridRound } from './round.js';
import type { StageState } from './stage.js';
import { stageOf, type Turn } from './turn.js';

/**
 * As the last round was measured, with room to spare. Where no cell can make a step without the others, and they are not those of the last
 * commit, they first build graphs for their gathered batch, and all wait for the slowest.
 */
export function roundBudgetMs(turn: Turn, grid: Grid, isWhole: boolean): number {
  const { firstRoundMs, roundFloorMs, roundFactor } = turn.state.plan.timing;
  const stage = stageOf(turn);
  const samplesEach = Math.ceil(totalOf(rangesOf(grid)) / grid.length);
  const usualMs = stage.msPerSample === null ? firstRoundMs : Math.max(roundFloorMs, roundFactor * stage.msPerSample * samplesEach);
  return isWhole && !hasCommitted(stage, grid) ? Math.max(firstRoundMs, usualMs) : usualMs;
}

/** Whether the last commit is of these cells, each in its column. */
function hasCommitted({ base }: StageState, grid: Grid): boolean {
  return [...base.peers].every(([peer, { replicas }]) => {
    const row = rowOf(grid, peer);
    return row.length === replicas.length && row.every(({ incarnation }, column) => incarnation === replicas[column]);
  });
}

/** The cells that have made no step of the stage yet. */
export function newCells({ contributed }: StageState, grid: Grid): readonly Incarnation[] {
  return cellsOf(grid).flatMap(({ incarnation }) => (contributed.has(incarnation) ? [] : [incarnation]));
}

/** The time for the step under way: as the slowest step was measured, with room to spare. */
export function conclusionBudgetMs(turn: Turn, { stepSamples }: GridRound): number {
  const { concludeMs, roundFactor } = turn.state.plan.timing;
  return Math.max(concludeMs, roundFactor * (stageOf(turn).msPerSample ?? 0) * stepSamples);
}
