/** Finds in one source file what the manners of this repository forbid. Reads the syntax, not the text. */

import ts from 'typescript';

export interface Fault {
  readonly line: number;
  readonly rule: string;
  readonly mend: string;
}

export interface SourceOptions {
  /** Whether the file may touch the clock, timers, the environment, the console and the end of the process. */
  readonly isEdge: boolean;
}

const LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
const PARAMETERS_MAX = 3;

const EDGE_MEND = 'take a Clock, a Prng or the value as an argument; only files at the edge touch the process';
const SENTENCE_MEND = 'write subject, verb, object: name the thing, then say what it does (design.md 9)';
const EDGE_CALLS = ['setTimeout', 'setInterval'];
const EDGE_MEMBERS = ['Date.now', 'Math.random', 'process.env', 'process.exit', 'performance.now'];

/** All faults of a TypeScript source, in the order of its lines. */
export function findFaults(text: string, { isEdge }: SourceOptions): readonly Fault[] {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.ES2022, true);
  const faults: Fault[] = [];
  const add = (node: ts.Node, rule: string, mend: string): void => {
    faults.push({ line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, rule, mend });
  };
  checkFile(text, faults);
  faults.push(...sentenceFaults(source));
  const visit = (node: ts.Node): void => {
    if (!isEdge) checkEdge(node, add);
    checkSyntax(node, add);
    if (ts.isFunctionLike(node)) checkFunction(node, source, add);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return faults;
}

type Add = (node: ts.Node, rule: string, mend: string) => void;

function checkFile(text: string, faults: Fault[]): void {
  const lines = text.split('\n').length - 1;
  if (lines > LINES_MAX) faults.push({ line: lines, rule: `${lines} lines, of at most ${LINES_MAX}`, mend: 'split it by what it does' });
  if (!text.startsWith('/**')) {
    faults.push({ line: 1, rule: 'no header comment', mend: 'begin the file with /** what it owns, what it does not, its invariants */' });
  }
}

/** A sentence that has no plain subject: "What is stored", "Who asks", "Of the order". Questions may begin so. */
const ODD_SENTENCE = /^(What|Who|Of) .*[^?]$/;

function sentenceFaults(source: ts.SourceFile): readonly Fault[] {
  return docCommentsOf(source).flatMap(({ pos, end }) => {
    const text = source.text.slice(pos + '/**'.length, end - '*/'.length).replace(/\s*\n\s*\* ?|\s+/g, ' ');
    const line = source.getLineAndCharacterOfPosition(pos).line + 1;
    const odd = text
      .trim()
      .split(/(?<=[.!?]) /)
      .filter((sentence) => ODD_SENTENCE.test(sentence));
    return odd.map((sentence) => ({ line, rule: `a sentence that begins with "${sentence.slice(0, 30)}"`, mend: SENTENCE_MEND }));
  });
}

/** The places of all doc comments, in their order. A comment can lead several nodes that begin at the same place. */
function docCommentsOf(source: ts.SourceFile): readonly ts.CommentRange[] {
  const byPlace = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    for (const range of ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []) {
      if (source.text.startsWith('/**', range.pos)) byPlace.set(range.pos, range);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return [...byPlace.values()];
}

function checkEdge(node: ts.Node, add: Add): void {
  if (ts.isCallExpression(node) && EDGE_CALLS.includes(node.expression.getText())) add(node, node.expression.getText(), EDGE_MEND);
  if (ts.isPropertyAccessExpression(node) && EDGE_MEMBERS.includes(node.getText())) add(node, node.getText(), EDGE_MEND);
  if (ts.isPropertyAccessExpression(node) && node.expression.getText() === 'console')
    add(node, node.getText(), 'use the Logger of src/log');
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments ?? []).length === 0)
    add(node, 'new Date()', EDGE_MEND);
}

function checkSyntax(node: ts.Node, add: Add): void {
  if (node.kind === ts.SyntaxKind.AnyKeyword) add(node, 'any', 'say what it is, or unknown, and check it');
  if (ts.isEnumDeclaration(node)) add(node, 'enum', "use string tags: 'a' | 'b'");
  if (ts.isCatchClause(node) && node.block.statements.length === 0) add(node, 'an empty catch', 'handle the error, or let it pass');
  if (ts.isExportDeclaration(node) && node.exportClause === undefined) add(node, 'export *', 'export by name, from the file that owns it');
}

function checkFunction(node: ts.SignatureDeclaration, source: ts.SourceFile, add: Add): void {
  const lineOf = (position: number): number => source.getLineAndCharacterOfPosition(position).line;
  const lines = lineOf(node.end) - lineOf(node.getStart()) + 1;
  if (lines >= FUNCTION_LINES_MAX)
    add(node, `a function of ${lines} lines, of less than ${FUNCTION_LINES_MAX}`, 'split it by what it does');
  if (node.parameters.length > PARAMETERS_MAX) {
    add(node, `a function of ${node.parameters.length} parameters, of at most ${PARAMETERS_MAX}`, 'take an object of options');
  }
  const isExported = ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword);
  if (isExported && ts.getJSDocCommentsAndTags(node).length === 0) {
    add(node, 'an exported function without a comment', 'say what it promises: shapes, units, who owns what, when it throws');
  }
}
