import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findBreaches, readSources } from './support/architecture.ts';

// In two parts, so that the lint does not take it for one.
const suppression = ['@ts', 'expect-error'].join('-');
const src = fileURLToPath(new URL('../src', import.meta.url));

describe('the sources', () => {
  it('keep the rules of the house', () => {
    const files = readSources(src);
    expect(files.length).toBeGreaterThan(20);
    expect(findBreaches(files)).toEqual([]);
  });
});

describe('the check itself', () => {
  const breachesOf = (files: Readonly<Record<string, string>>): string[] =>
    findBreaches(Object.entries(files).map(([path, text]) => ({ path, text })));

  it.each([
    [
      'http must not reach the probes',
      { 'http/a.ts': `import { dial } from '../probe/tls.ts';` },
      'http may not import probe',
    ],
    ['nor by a type', { 'http/a.ts': `import type { Dial } from '../probe/tls.ts';` }, 'http may not import probe'],
    ['nor by a re-export', { 'http/a.ts': `export { dial } from '../probe/tls.ts';` }, 'http may not import probe'],
    ['nor by a dynamic import', { 'http/a.ts': `await import('../probe/tls.ts');` }, 'http may not import probe'],
    ['nor by an import type', { 'http/a.ts': `type D = import('../probe/tls.ts').Dial;` }, 'http may not import probe'],
    [
      'adapters do not take the context',
      { 'db/a.ts': `import type { Ctx } from '../context.ts';` },
      'db may not import context',
    ],
    [
      'nobody imports app',
      { 'processors/a.ts': `import { start } from '../app.ts';` },
      'processors may not import app',
    ],
    ['app does not import cli', { 'app.ts': `import { run } from './cli/run.ts';` }, 'app may not import cli'],
    ['a new room needs a place in the table', { 'misc/a.ts': `import '../errors.ts';` }, 'misc may not import errors'],
    ['sources do not import tests', { 'http/a.ts': `import '../../test/x.ts';` }, 'nothing outside src/'],
    ['drizzle stays in db', { 'processors/a.ts': `import { sql } from 'drizzle-orm/pg-core';` }, 'only db does'],
    ['bullmq stays in queues', { 'app.ts': `import type { Job } from 'bullmq';` }, 'only queues does'],
    ['lifecycle does no IO', { 'lifecycle/a.ts': `import { readFileSync } from 'node:fs';` }, 'lifecycle is pure'],
    ['Date.now', { 'db/a.ts': 'export const a = Date.now();' }, 'reads the clock'],
    ['new Date', { 'db/a.ts': 'export const a = new Date();' }, 'reads the clock'],
    ['performance.now', { 'db/a.ts': `export const a = performance['now']();` }, 'reads the clock'],
    ['process.env', { 'app.ts': 'export const a = process.env.HOME;' }, 'reads process.env'],
    ['a suppression', { 'db/a.ts': `// ${suppression}\nexport const a: string = 1;` }, 'suppresses a check'],
    ['a long file', { 'db/a.ts': '\n'.repeat(301) }, 'has 301 lines'],
  ])('finds a breach: %s', (_, files, message) => {
    const breaches = breachesOf(files);
    expect(breaches).toHaveLength(1);
    expect(breaches[0]).toContain(message);
  });

  it('finds a cycle, also one of types only, once', () => {
    const files = {
      'db/a.ts': `import type { B } from './b.ts';`,
      'db/b.ts': `import { c } from './c.ts';`,
      'db/c.ts': `import { a } from './a.ts';`,
    };
    expect(breachesOf(files)).toEqual(['import cycle: db/a.ts → db/b.ts → db/c.ts → db/a.ts']);
  });

  it('lets pass what is allowed', () => {
    const files = {
      'http/a.tsx': `import { find } from '../db/b.ts'; export const a = <p>{new Date(0).toISOString()}</p>;`,
      'db/b.ts': `import { sql } from 'drizzle-orm'; // Date.now() is not read here\nexport const b = 'process.env';`,
      'config.ts': 'export const c = process.env.HOME;',
      'app.ts': 'export const d = Date.now();',
      'cli/e.ts': `import { f } from '../lifecycle/f.ts';`,
      'lifecycle/f.ts': `import * as v from 'valibot';`,
    };
    expect(breachesOf(files)).toEqual([]);
  });
});
