import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mutants } from './list.ts';
import { mutated, occurrences } from './mutant.ts';
import { tableOf } from './table.ts';

describe('the mutants', () => {
  it('are many, each under a name of its own', () => {
    expect(mutants.length).toBeGreaterThanOrEqual(24);
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    for (const { name } of mutants) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  it.each(mutants.map((mutant) => [mutant.name, mutant] as const))('%s has its place and its suite', (_, mutant) => {
    const { file, find, replace, suite } = mutant;
    const text = readFileSync(file, 'utf8');
    expect(occurrences(text, find)).toBe(1);
    expect(mutated(text, mutant)).toContain(replace);
    expect(mutated(text, mutant)).not.toBe(text);
    expect(existsSync(suite.file)).toBe(true);
    // A title may hold what a table puts in, and begin with that of its group: three words of it stand as they are.
    const words = (suite.only ?? '').split(' ');
    const parts = words.map((_word, at) => words.slice(at, at + 3).join(' ')).slice(0, Math.max(1, words.length - 2));
    const tests = readFileSync(suite.file, 'utf8');
    expect(parts.some((part) => tests.includes(part))).toBe(true);
  });

  it('refuse a place that is not found exactly once', () => {
    const [mutant] = mutants;
    if (mutant === undefined) throw new Error('there is none');
    expect(() => mutated('', mutant)).toThrow('0 times');
    expect(() => mutated(mutant.find + mutant.find, mutant)).toThrow('2 times');
  });

  it('make a table that says which were not caught', () => {
    const [one, two] = mutants;
    if (one === undefined || two === undefined) throw new Error('there are too few');
    const names = [one.name, two.name, 'never-checked'];
    const first = tableOf(
      [
        { mutant: one, kind: 'caught', test: 'a | b', seconds: 1 },
        { mutant: two, kind: 'survived', test: '', seconds: 1 },
      ],
      { names, commit: 'c0ffee1', before: '| gone | fault | file | test | c0ffee0 |' },
    );
    expect(first).toContain('a \\| b | c0ffee1 |');
    expect(first).toMatch(new RegExp(`${two.name}.*\\*\\*survived\\*\\*`));
    expect(first).not.toContain('gone');
    expect(first).toContain('1 of 3 are caught.');
    const again = [{ mutant: two, kind: 'caught', test: 'c', seconds: 1 }] as const;
    const second = tableOf(again, { names, commit: 'c0ffee2', before: first });
    expect(second).toContain('a \\| b | c0ffee1 |');
    expect(second).toMatch(new RegExp(`${two.name}.*: c \\| c0ffee2 \\|`));
    expect(second).toContain('2 of 3 are caught.');
  });
});
