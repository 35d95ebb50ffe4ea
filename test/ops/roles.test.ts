import { randomUUID } from 'node:crypto';
import path from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { queueNames } from '../../src/queues/catalog.ts';
import { requireBinary } from '../support/binaries.ts';
import { startChild } from '../support/child.ts';
import { admin, credentials, eventBody, register, send } from '../support/driver.ts';
import { untilApplied } from '../support/ledger.ts';
import { runCli, startApp } from '../support/process.ts';
import { askShared } from '../support/shared.ts';
import { root } from './support/files.ts';

const tag = randomUUID().slice(0, 8);
const owner = `owner_${tag}`;
const app = `app_${tag}`;
const database = `roles_${tag}`;
const passwords = { OWNER_PASSWORD: `owner ${tag}`, APP_PASSWORD: `app's ${tag}` };

let serverUrl: string;
let sql: postgres.Sql;

const urlOf = (user: string, password: string): string => {
  const url = new URL(serverUrl);
  url.username = user;
  url.password = encodeURIComponent(password);
  url.pathname = `/${database}`;
  return url.href;
};
const ownerUrl = (): string => urlOf(owner, passwords.OWNER_PASSWORD);
const appUrl = (): string => urlOf(app, passwords.APP_PASSWORD);

const psql = async (...args: readonly string[]): Promise<{ code: number | null; output: string }> => {
  const env = { PATH: process.env.PATH ?? '', ...passwords };
  const child = startChild(requireBinary('psql'), ['--no-psqlrc', '--set=ON_ERROR_STOP=1', ...args, serverUrl], {
    env,
  });
  return { code: (await child.exited).code, output: child.output() };
};

beforeAll(async () => {
  serverUrl = await askShared('/postgres');
  const names = [`--set=owner=${owner}`, `--set=app=${app}`, `--set=database=${database}`];
  const made = await psql(`--file=${path.join(root, 'ops/postgres/roles.sql')}`, ...names);
  if (made.code !== 0) throw new Error(made.output);
  const whole = new URL(serverUrl);
  whole.pathname = `/${database}`;
  sql = postgres(whole.href, { max: 2, onnotice: () => undefined });
}, 60_000);
afterAll(async () => {
  await sql.end();
  const server = postgres(serverUrl, { max: 1, onnotice: () => undefined });
  await server.unsafe(`drop database ${database} with (force)`);
  await server.unsafe(`drop role ${app}; drop role ${owner}`);
  await server.end();
});

const refused = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'it was allowed',
    (error: unknown) => (error instanceof postgres.PostgresError ? error.code : String(error)),
  );

describe('the roles of ops/postgres/roles.sql', { timeout: 90_000 }, () => {
  it('keep the role of the servers from a database that nobody migrated, with one line that says what to do', async () => {
    const { code, output } = await runCli(['serve'], { ...credentials, DATABASE_URL: appUrl() });
    expect(code).toBe(1);
    expect(output.trim().split('\n')).toEqual([
      expect.stringMatching(/^notafter: the schema of the database .* run notafter migrate --grant-to/),
    ]);
  });

  it('let the owner migrate and give rights, to a role that there is', async () => {
    const unknown = await runCli(['migrate', '--grant-to', 'nobody_knows'], { DATABASE_URL: ownerUrl() });
    expect(unknown).toMatchObject({
      code: 1,
      output: expect.stringContaining('notafter: there is no role of that name'),
    });
    for (let time = 0; time < 2; time += 1) {
      const { code, output } = await runCli(['migrate', '--grant-to', app], { DATABASE_URL: ownerUrl() });
      expect({ code, output }).toEqual({
        code: 0,
        output: `the database is up to date\n${app} may read and write it\n`,
      });
    }
  });

  it('let the servers work with queues in the same database', async () => {
    const all = await startApp('all', {
      env: { ...credentials, DATABASE_URL: appUrl(), CERT_PROBE_FALLBACK_ENABLED: 'false' },
    });
    const domain = await register(all.url, 'roles.example.net');
    const answer = await send(all.url, eventBody(domain, 'renewal_failed'));
    const id = String(answer.body['eventId']);
    await untilApplied(sql, id);
    // Jobs that are added together, and those that the queue gives their number.
    expect(await admin(all.url, 'POST', `/cert-events/${id}/replay`, { force: true })).toMatchObject({ status: 200 });
    await untilApplied(sql, id);
    const as = postgres(appUrl(), { max: 1, onnotice: () => undefined });
    for (const queue of queueNames)
      expect(await refused(as`select bullmq.next_job_id(${queue})`)).toBe('it was allowed');
    await as.end();
    expect(await admin(all.url, 'GET', '/audit/verify')).toMatchObject({ status: 200, body: { ok: true } });
    expect((await all.stop()).code).toBe(0);
    expect(all.output()).not.toMatch(/permission denied/);
  });

  it('keep them from tables, roles and the past of the audit log', async () => {
    const as = postgres(appUrl(), { max: 1, onnotice: () => undefined });
    const statements = [
      'create table t (id int)',
      'create schema s',
      'alter table custom_domains add column x int',
      'drop table custom_domains',
      'truncate certificate_lifecycle_events',
      'alter table audit_log disable trigger all',
      "update audit_log set reason = 'other'",
      'delete from audit_log',
      'delete from audit_head',
      'delete from audit_checkpoints',
      "insert into drizzle.__drizzle_migrations (hash, created_at) values ('x', 1)",
      'create role r',
      'select pg_read_file($$/etc/passwd$$)',
      "copy custom_domains to program 'true'",
      'alter system set fsync = off',
      'drop table bullmq.job',
    ];
    for (const statement of statements)
      expect([statement, await refused(as.unsafe(statement))]).toEqual([statement, '42501']);
    await as.end();
  });

  it('say so when the queues are to live where nobody prepared them', async () => {
    await sql`alter schema bullmq rename to bullmq_away`;
    const { code, output } = await runCli(['work'], { ...credentials, DATABASE_URL: appUrl() });
    expect({ code, said: output.split('\n').filter((line) => line.startsWith('notafter')) }).toEqual({
      code: 1,
      said: [expect.stringMatching(/^notafter: the queues in the database .* run notafter migrate --grant-to/)],
    });
    await sql`alter schema bullmq_away rename to bullmq`;
  });

  it('say so when a later version has tables that nobody migrated to', async () => {
    await sql`delete from drizzle.__drizzle_migrations where created_at = (select max(created_at) from drizzle.__drizzle_migrations)`;
    const { code, output } = await runCli(['work'], { ...credentials, DATABASE_URL: appUrl() });
    expect({ code, output }).toEqual({
      code: 1,
      output: expect.stringMatching(/^notafter: the schema of the database/),
    });
  });
});
