import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync } from 'oxc-parser';
import { describe, expect, it } from 'vitest';
import { startChild } from '../support/child.ts';
import { askShared } from '../support/shared.ts';
import { failpointBuild, failpointNames, withCalls } from './build.ts';
import { failpoints, parseFailures } from './runtime.ts';

const filesUnder = (folder: string, ending: RegExp): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => path.join(folder, name));

/** A program with its comments taken away. */
const withoutComments = (file: string): string => {
  const text = readFileSync(file, 'utf8');
  const { comments } = parseSync(file, text);
  let bare = '';
  let at = 0;
  for (const { start, end } of comments) {
    bare += text.slice(at, start);
    at = end;
  }
  return bare + text.slice(at);
};

describe('failpoints', () => {
  it('have names of their own', () => {
    const names = failpointNames();
    expect(names.length).toBeGreaterThan(30);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z]+\.[a-z-]+$/);
  });

  it('are calls in the failpoint build, and no line moves', () => {
    const text = "import x from 'y';\nconst f = async () => {\n  // failpoint: a.b\n};\n";
    const called = withCalls({ file: 'db/x.ts', text });
    expect(called.split('\n')).toEqual([
      "import { failpoint } from '../failpoint.ts'; import x from 'y';",
      'const f = async () => {',
      "  await failpoint('a.b');",
      '};',
      '',
    ]);
    expect(withCalls({ file: 'x.ts', text: 'const a = 1;' })).toBe('const a = 1;');
  });

  it('are nothing but comments in the sources and in the product', async () => {
    const dist = path.dirname(await askShared('/build'));
    const files = [...filesUnder('src', /(?<!\.test)\.tsx?$/), ...filesUnder(dist, /\.js$/)];
    expect(files.length).toBeGreaterThan(400);
    expect(files.filter((file) => /failpoint/i.test(withoutComments(file)))).toEqual([]);
  });

  it('listen to NOTAFTER_FAILPOINTS in the failpoint build, and the product does not', async () => {
    const run = async (cli: string, text: string): Promise<string> => {
      const env = { NOTAFTER_FAILPOINTS: text, DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
      const child = startChild(process.execPath, [cli, 'migrate'], { env });
      await child.exited;
      return child.output();
    };
    const misspelt = 'no.such=kill';
    expect(await run(await failpointBuild(), misspelt)).toContain('there is no failpoint no.such');
    expect(await run(await askShared('/build'), misspelt)).not.toContain('failpoint');
  }, 60_000);
});

describe('NOTAFTER_FAILPOINTS', () => {
  const known = ['apply.saved', 'ingest.committed'];

  it('names actions and when they are taken', () => {
    expect([...parseFailures('apply.saved=kill@3; ingest.committed=delay(250)@*', known)]).toEqual([
      ['apply.saved', { action: { kind: 'kill' }, nth: 3 }],
      ['ingest.committed', { action: { kind: 'delay', ms: 250 }, nth: null }],
    ]);
    expect(parseFailures('', known).size).toBe(0);
  });

  it.each(['apply.saved', 'apply.saved=burn', 'apply.saved=kill@', 'apply.saved=delay', 'apply.gone=kill'])(
    'refuses %s',
    (text) => {
      expect(() => parseFailures(text, known)).toThrow(/NOTAFTER_FAILPOINTS/);
    },
  );

  it('throws at the passing it names and at no other', async () => {
    const failpoint = failpoints('apply.saved=throw@2', known);
    await failpoint('ingest.committed');
    await failpoint('apply.saved');
    await expect(failpoint('apply.saved')).rejects.toThrow('failpoint apply.saved');
    await failpoint('apply.saved');
  });
});
