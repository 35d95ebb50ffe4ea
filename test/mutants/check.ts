import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Mutant, mutated, nameOfSuite } from './mutant.ts';
import { type Outcome, runSuite } from './run-suite.ts';
import { copyTree, type Tree } from './tree.ts';

/** `survived`: its suite stays green. `unclear`: the suite says nothing of it, for the reason given. */
export interface Verdict {
  readonly mutant: Mutant;
  readonly kind: 'caught' | 'survived' | 'unclear';
  /** The test that turned red, or why the verdict is none. */
  readonly test: string;
  readonly seconds: number;
}

// What a busy machine gives as well: a wait that ended without what was waited for, and a set-up that did not come about.
const patience = /timed out|waited \d+ ms for/;
const isDoubtful = (outcome: Outcome): boolean =>
  outcome.kind === 'red' ? patience.test(outcome.message) : outcome.kind !== 'green';

/** Runs a suite; what a busy machine may be the cause of has to happen twice. */
const runSurely = async (dir: string, suite: Mutant['suite']): Promise<Outcome> => {
  const first = await runSuite(dir, suite);
  return isDoubtful(first) ? runSuite(dir, suite) : first;
};

/** Runs a suite with a mutant in its tree, and mends the tree. */
const withMutant = async ({ dir }: Tree, mutant: Mutant): Promise<Outcome> => {
  const file = path.join(dir, mutant.file);
  const sound = readFileSync(file, 'utf8');
  try {
    writeFileSync(file, mutated(sound, mutant));
    return await runSurely(dir, mutant.suite);
  } finally {
    writeFileSync(file, sound);
  }
};

const judge = (mutant: Mutant, sound: Outcome, spoilt: Outcome): Omit<Verdict, 'seconds'> => {
  if (sound.kind !== 'green') {
    const why = sound.kind === 'red' ? `${sound.test}: ${sound.message.slice(0, 1000)}` : sound.why;
    return { mutant, kind: 'unclear', test: `its suite is not green without it: ${why}` };
  }
  if (spoilt.kind === 'red') return { mutant, kind: 'caught', test: spoilt.test };
  return spoilt.kind === 'green'
    ? { mutant, kind: 'survived', test: `${spoilt.tests} tests of ${nameOfSuite(mutant.suite)} pass` }
    : { mutant, kind: 'unclear', test: spoilt.why };
};

/** What a lane does: a suite without mutants, then each mutant of it. */
const checkSuite = async (tree: Tree, group: readonly Mutant[], tell: (verdict: Verdict) => void): Promise<void> => {
  const [first] = group;
  if (first === undefined) return;
  const sound = await runSurely(tree.dir, first.suite);
  for (const mutant of group) {
    const started = performance.now();
    const spoilt = sound.kind === 'green' ? await withMutant(tree, mutant) : sound;
    tell({ ...judge(mutant, sound, spoilt), seconds: (performance.now() - started) / 1000 });
  }
};

/** Checks mutants, several suites at a time, each lane in a copy of the sources of its own. */
export const checkMutants = async (
  mutants: readonly Mutant[],
  lanes: number,
  tell: (verdict: Verdict) => void,
): Promise<Verdict[]> => {
  const verdicts: Verdict[] = [];
  const groups = [...Map.groupBy(mutants, ({ suite }) => nameOfSuite(suite)).values()];
  const lane = async (): Promise<void> => {
    const tree = copyTree();
    process.once('exit', tree.remove);
    try {
      for (let group = groups.shift(); group !== undefined; group = groups.shift())
        await checkSuite(tree, group, (verdict) => {
          verdicts.push(verdict);
          tell(verdict);
        });
    } finally {
      process.off('exit', tree.remove);
      tree.remove();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return verdicts.toSorted((a, b) => mutants.indexOf(a.mutant) - mutants.indexOf(b.mutant));
};
