import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

// Makes objects that live for long, then such that die at once; says by how many MB the old generation grows meanwhile.
const maker = `
  import { getHeapSpaceStatistics } from 'node:v8';
  import { keepYoung } from ${JSON.stringify(new URL('heap.ts', import.meta.url).href)};
  if (process.argv[1] === 'young') keepYoung();
  const old = () => getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size;
  const make = (n) => ({ n, list: [n, n, n, n], inner: { n } });
  const kept = new Array(200_000).fill(null);
  let at = 0;
  const run = (times, living) => {
    for (let n = 0; n < times; n += 1) kept[at++ % living] = make(n);
  };
  run(3_000_000, kept.length);
  const before = old();
  run(1_000_000, 1);
  console.log((old() - before) / 2 ** 20);`;

const grownBy = async (mode: 'young' | 'as V8 does'): Promise<number> => {
  // A small young generation is full at once, and no full collection comes in between.
  const flags = ['--max-semi-space-size=2', '--min-semi-space-size=2', '--initial-old-space-size=1024'];
  const args = [...flags, '--input-type=module', '--eval', maker, '--', mode];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return Number(stdout);
};

it('keeps short-lived objects out of the old generation, also where some have lived for long', async () => {
  expect(await grownBy('as V8 does')).toBeGreaterThan(50);
  expect(await grownBy('young')).toBeLessThan(5);
});
