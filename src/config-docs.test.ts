import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { configTable, envExample, withConfigTable } from './config-docs.ts';
import { variables } from './config-variables.ts';
import { parseConfig } from './config.ts';

const root = new URL('../', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, root), 'utf8');
const noFile = (): never => {
  throw new Error('No file is expected to be read');
};

describe('.env.example', () => {
  it('is what the list of variables gives (npm run docs)', () => {
    expect(read('.env.example')).toBe(envExample());
  });

  it('names every variable once, and setting it all changes nothing', () => {
    const lines = envExample().split('\n');
    for (const name of Object.keys(variables)) {
      expect(lines.filter((line) => line.replace(/^#/, '').startsWith(`${name}=`))).toHaveLength(1);
    }
    const env = Object.fromEntries(
      lines
        .filter((line) => /^[A-Z]/.test(line))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
    expect(Object.keys(env).length).toBeGreaterThan(10);
    expect(parseConfig(env, noFile)).toEqual(parseConfig({}, noFile));
  });
});

describe('the table of the README', () => {
  it('has a row for every variable, with its default', () => {
    const rows = configTable().split('\n').slice(2);
    expect(rows).toHaveLength(Object.keys(variables).length);
    expect(rows).toContainEqual(expect.stringContaining('| `PORT` | `8080` |'));
    for (const row of rows) expect(row.replaceAll('\\|', '').split('|')).toHaveLength(5);
  });

  it('is what the list of variables gives (npm run docs)', () => {
    const readme = read('README.md');
    expect(withConfigTable(readme, configTable())).toBe(readme);
  });

  it('goes between its marks, again and again, and touches nothing else', () => {
    const readme = 'above\n<!-- config:start -->\nold $& $1\n<!-- config:end -->\nbelow\n';
    const once = withConfigTable(readme, 'new $& $1');
    expect(once).toBe('above\n<!-- config:start -->\nnew $& $1\n<!-- config:end -->\nbelow\n');
    expect(withConfigTable(once, 'new $& $1')).toBe(once);
  });

  it.each([
    ['none', 'text'],
    ['no end', '<!-- config:start -->'],
    ['no start', '<!-- config:end -->'],
    ['the wrong order', '<!-- config:end --><!-- config:start -->'],
    ['two starts', '<!-- config:start --><!-- config:start --><!-- config:end -->'],
    ['two ends', '<!-- config:start --><!-- config:end --><!-- config:end -->'],
  ])('is not written where the marks are wrong: %s', (_, readme) => {
    expect(() => withConfigTable(readme, 'table')).toThrow('once each, in this order');
  });
});
