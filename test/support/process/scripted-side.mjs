// A side of the bench whose times and answers are the JSON of its first argument:
// {name, unusable, numbers, seconds, exchange, knowledge, failAt, exitAt}. `seconds` are those of one step, turn by turn; the last one stays.
// `exchange` is the traffic of one step.

import { createInterface } from 'node:readline';

const { name = 'scripted', unusable, numbers = [1], seconds = [1], exchange, knowledge, failAt, exitAt } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

if (unusable !== undefined) {
  say({ unusable });
} else {
  process.stdout.write('chatter of a library\n');
  say({ ready: name, knowledge });
  let runs = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (order.do === exitAt) {
      process.stderr.write('RuntimeError: out of luck\n');
      process.exit(3);
    }
    if (order.do === failAt) say({ error: `${order.do} does not work` });
    else if (order.do === 'gate') say({ numbers, arrays: {} });
    else if (order.do === 'profile') say({ profile: [{ name: 'all', calls: 1, total: 2, own: 2 }] });
    else {
      const each = seconds[Math.min(runs++, seconds.length - 1)];
      const traffic = exchange && Object.fromEntries(Object.entries(exchange).map(([key, value]) => [key, value * order.steps]));
      say({ seconds: each * order.steps, processorSeconds: 0, exchange: traffic });
    }
  }
}
