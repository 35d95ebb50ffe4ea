import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { addCheckpoint } from '../../src/db/audit-checkpoints.ts';
import { walkAudit } from '../../src/db/audit-walk.ts';
import { writeAudit } from '../../src/db/audit.ts';
import { connectDb, type Db } from '../../src/db/client.ts';
import { inTransaction } from '../../src/db/in-transaction.ts';
import { type ChainEnd, type ChainProblem, signCheckpoint } from '../../src/lifecycle/audit-chain.ts';
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts';

const now = Date.UTC(2026, 4, 1, 12);
const secret = 'a secret of the test';
const rows = 12;
/** Where the log was signed; rows 11 and 12 are not. */
const signedAt = [4, 8, 10];

let database: TestDatabase;
let db: Db;
let su: postgres.Sql;
/** What an honest caller kept elsewhere. */
let kept: ChainEnd;

const entry = (n: number) => ({
  at: now + n,
  actor: `actor ${n}`,
  actorKind: 'person' as const,
  role: 'admin' as const,
  action: 'domain.change' as const,
  objectType: 'domain',
  objectId: `d${n}.example`,
  orgId: 'acme',
  before: { region: null, n },
  after: { region: 'eu: "ü", 1.50', n },
  reason: n % 2 === 0 ? null : 'grün, “quoted”',
  requestId: `r-${n}`,
  address: '192.0.2.1',
});

const hashAt = async (seq: number): Promise<string> => {
  const [row] = await su<{ hash: string }[]>`select encode(hash, 'hex') as hash from audit_log where seq = ${seq}`;
  return row?.hash ?? '';
};

const fill = async (): Promise<void> => {
  for (let n = 1; n <= rows; n += 1) {
    await writeAudit(db, entry(n));
    const index = signedAt.indexOf(n);
    if (index < 0) continue;
    const previous = signedAt[index - 1] ?? 0;
    const place = { seq: n, hash: await hashAt(n), at: now + n };
    await addCheckpoint(db, previous, { ...place, signature: signCheckpoint(secret, previous, place) });
  }
  kept = { seq: rows, hash: await hashAt(rows) };
};

beforeAll(async () => {
  database = await createTestDatabase();
  db = connectDb(database.url, { max: 10, name: 'test' });
  su = postgres(database.url, { max: 1, onnotice: () => undefined });
});
afterAll(async () => {
  await su.end();
  await db.close();
  await database.drop();
});

/** What only the owner of the database can do: takes the triggers away, or gives them back. */
const triggers = async (state: 'enable' | 'disable'): Promise<void> => {
  await su.unsafe(`alter table audit_log ${state} trigger all; alter table audit_checkpoints ${state} trigger all`);
};
const forget = async (): Promise<void> => {
  await triggers('disable');
  await su.unsafe(`
    grant all on audit_log, audit_checkpoints to current_user;
    alter table audit_log drop constraint if exists audit_log_pkey; truncate audit_log, audit_checkpoints;
    alter table audit_log add primary key (seq);
    delete from audit_head; insert into audit_head (id, seq, hash) values (1, 0, sha256(''::bytea))`);
  await triggers('enable');
};

const verify = (options: { later?: number; kept?: readonly ChainEnd[]; secrets?: readonly string[] } = {}) =>
  walkAudit(db, { secrets: options.secrets ?? [secret], kept: options.kept ?? [], now: options.later ?? now + 60_000 });

/** Recomputes the hashes from a row on, as somebody does who has the database and not the key. */
const rechain = (from: number): Promise<unknown> =>
  su.unsafe(`do $$ declare r audit_log; last bytea := coalesce((select hash from audit_log where seq = ${from - 1}), sha256(''::bytea));
    begin for r in select * from audit_log where seq >= ${from} order by seq loop
      r.prev_hash := last; last := sha256(convert_to(audit_text(r), 'UTF8'));
      update audit_log set prev_hash = r.prev_hash, hash = last where seq = r.seq;
    end loop; update audit_head set seq = (select max(seq) from audit_log), hash = last; end $$`);

const columns: readonly (readonly [column: string, value: string])[] = [
  ['at', `at + interval '1 ms'`],
  ['actor', `'mallory'`],
  ['actor_kind', `'policy'`],
  ['role', `'viewer'`],
  ['role', 'null'],
  ['action', `'domain.delete'`],
  ['object_type', `'incident'`],
  ['object_id', `'other.example'`],
  ['org_id', `'globex'`],
  ['before', `'{"n": 7, "region": "us"}'`],
  ['after', 'null'],
  ['reason', `'another'`],
  ['request_id', `''`],
  ['address', `'192.0.2.2'`],
  ['hash', `sha256('x'::bytea)`],
  ['prev_hash', `sha256('x'::bytea)`],
  ['reason', `'grün, “quoted” '`],
];

const content =
  'at, actor, actor_kind, role, action, object_type, object_id, org_id, before, after, reason, request_id, address';
const forged = (seq: string, previous: string): string => `
  insert into audit_log (seq, ${content}, prev_hash, hash)
  select ${seq}, ${content}, ${previous}, sha256('x'::bytea) from audit_log where seq = 1`;

type Found = Partial<ChainProblem>;

/** Each manipulation, as its author would do it in SQL, and what the walk finds. */
const table: readonly (readonly [what: string, tamper: string, found: Found, from?: number])[] = [
  ...columns.map(
    ([column, value]) =>
      [
        `${column} of row 5 changed to ${value}`,
        `update audit_log set ${column} = ${value} where seq = 5`,
        { kind: 'changed', seq: 5 },
      ] as const,
  ),
  ['the number of row 5 changed', 'update audit_log set seq = 500 where seq = 5', { kind: 'removed', seq: 5 }],
  ['the first row removed', 'delete from audit_log where seq = 1', { kind: 'removed', seq: 1 }],
  ['a row in the middle removed', 'delete from audit_log where seq = 6', { kind: 'removed', seq: 6 }],
  ['several rows removed', 'delete from audit_log where seq between 6 and 9', { kind: 'removed', seq: 6 }],
  ['the last row removed', 'delete from audit_log where seq = 12', { kind: 'truncated', seq: 12 }],
  [
    'a row removed and those after it numbered anew',
    `delete from audit_log where seq = 6; update audit_log set seq = -seq where seq > 6; update audit_log set seq = -seq - 1 where seq < 0`,
    { kind: 'moved', seq: 6 },
  ],
  [
    'two rows in each other’s place',
    'update audit_log set seq = case seq when 5 then -7 else -5 end where seq in (5, 7); update audit_log set seq = -seq where seq < 0',
    { kind: 'moved', seq: 5 },
  ],
  [
    'the contents of two rows swapped',
    `update audit_log l set actor = o.actor, object_id = o.object_id, reason = o.reason, before = o.before, after = o.after, at = o.at,
      request_id = o.request_id from audit_log o where (l.seq, o.seq) in ((5, 7), (7, 5))`,
    { kind: 'changed', seq: 5 },
  ],
  [
    'a second row with a number that is taken',
    `alter table audit_log drop constraint audit_log_pkey; ${forged('6', `(select prev_hash from audit_log where seq = 6)`)}`,
    { seq: 6 },
  ],
  [
    'a row put in and those after it numbered anew',
    `update audit_log set seq = -seq where seq > 5; update audit_log set seq = -seq + 1 where seq < 0;
      ${forged('6', '(select hash from audit_log where seq = 5)')};
      update audit_log l set hash = sha256(convert_to(audit_text(l), 'UTF8')) where seq = 6`,
    { kind: 'moved', seq: 7 },
  ],
  [
    'a row written anew with its own hash',
    `update audit_log set actor = 'mallory' where seq = 5; update audit_log l set hash = sha256(convert_to(audit_text(l), 'UTF8')) where seq = 5`,
    { kind: 'rewritten', seq: 5 },
  ],
  [
    'a row put at the end, past the record of the end',
    `${forged('13', '(select hash from audit_log where seq = 12)')}; update audit_log l set hash = sha256(convert_to(audit_text(l), 'UTF8')) where seq = 13`,
    { kind: 'inserted', seq: 13 },
  ],
  [
    'a row at the end with a wrong hash',
    forged('13', '(select hash from audit_log where seq = 12)'),
    { kind: 'changed', seq: 13 },
  ],
  [
    'a signed row changed, the chain recomputed',
    `update audit_log set actor = 'mallory' where seq = 5`,
    { kind: 'rewritten', seq: 8 },
    5,
  ],
  [
    'the last signed row changed, the chain recomputed',
    `update audit_log set actor = 'mallory' where seq = 10`,
    { kind: 'rewritten', seq: 10 },
    10,
  ],
  [
    'the end cut off, the record of the end moved back',
    'delete from audit_log where seq > 9; update audit_head set seq = 9, hash = (select hash from audit_log where seq = 9)',
    { kind: 'truncated', seq: 10 },
  ],
  [
    'all rows removed, the record of the end too',
    `delete from audit_log; update audit_head set seq = 0, hash = sha256(''::bytea)`,
    { kind: 'truncated', seq: 1 },
  ],
  ['the record of the end moved back', 'update audit_head set seq = 11', { kind: 'inserted', seq: 12 }],
  ['the record of the end moved on', 'update audit_head set seq = 13', { kind: 'truncated', seq: 13 }],
  ['another hash on record at the end', `update audit_head set hash = sha256('x'::bytea)`, { kind: 'head', seq: 12 }],
  ['the record of the end removed', 'delete from audit_head', { kind: 'head', seq: 12 }],
  [
    'a checkpoint in the middle removed',
    'delete from audit_checkpoints where seq = 8',
    { kind: 'checkpoint', seq: 10 },
  ],
  ['the first checkpoint removed', 'delete from audit_checkpoints where seq = 4', { kind: 'checkpoint', seq: 8 }],
  [
    'a checkpoint forged without the key',
    `insert into audit_checkpoints select 11, hash, now(), sha256('x'::bytea) from audit_log where seq = 11`,
    { kind: 'checkpoint', seq: 11 },
  ],
  [
    'the time of a checkpoint changed',
    `update audit_checkpoints set at = at + interval '1 s' where seq = 4`,
    { kind: 'checkpoint', seq: 4 },
  ],
  [
    'a checkpoint moved onto a changed chain',
    `update audit_log set actor = 'mallory' where seq = 3; update audit_checkpoints c set hash = sha256('x'::bytea) where seq = 4`,
    { kind: 'changed', seq: 3 },
  ],
];

const cases = table.map(([what, tamper, found, recomputeFrom]) => ({ what, tamper, found, recomputeFrom }));

describe('a log that somebody with all rights over the database tampers with', () => {
  beforeEach(async () => {
    await forget();
    await fill();
  });

  it('is found whole before', async () => {
    expect(await verify({ kept: [kept] })).toEqual({
      ok: true,
      rows,
      last: kept,
      checkpoints: signedAt.length,
      signed: true,
      problem: null,
    });
  });

  it.each(cases)('$what', async ({ tamper, found, recomputeFrom }) => {
    await triggers('disable');
    await su.unsafe(tamper);
    if (recomputeFrom !== undefined) await rechain(recomputeFrom);
    await triggers('enable');
    const report = await verify();
    expect(report.ok).toBe(false);
    expect(report.problem).toMatchObject(found);
    expect(report.problem?.message).toMatch(/row|end of the chain/);
  });

  it('has lost its last checkpoints: rows wait for one too long', async () => {
    await triggers('disable');
    await su`delete from audit_checkpoints`;
    await triggers('enable');
    expect((await verify()).ok).toBe(true);
    expect(await verify({ later: now + 16 * 60_000 })).toMatchObject({ problem: { kind: 'checkpoint', seq: 1 } });
  });

  it.each([
    [
      'written anew from the first row, without its checkpoints',
      `update audit_log set actor = 'mallory' where seq = 2`,
      'rewritten',
    ],
    [
      'emptied, without its checkpoints',
      `delete from audit_log; update audit_head set seq = 0, hash = sha256(''::bytea)`,
      'truncated',
    ],
  ])('is %s: a checkpoint that was kept elsewhere tells', async (_, tamper, kind) => {
    await triggers('disable');
    await su.unsafe(`delete from audit_checkpoints; ${tamper}`);
    if (kind === 'rewritten') await rechain(1);
    await triggers('enable');
    expect((await verify()).ok).toBe(true);
    expect(await verify({ kept: [kept] })).toMatchObject({ ok: false, problem: { kind } });
  });

  it('takes the signature of any of its secrets, and of no other', async () => {
    expect((await verify({ secrets: ['a newer one', secret] })).ok).toBe(true);
    expect(await verify({ secrets: ['a newer one'] })).toMatchObject({ problem: { kind: 'checkpoint', seq: 4 } });
    expect(await verify({ secrets: [] })).toMatchObject({ ok: true, signed: false });
  });
});

describe('the rights of the program itself', () => {
  const refused = [
    'update audit_log set actor = actor',
    'delete from audit_log',
    'truncate audit_log',
    'update audit_checkpoints set at = at',
    'delete from audit_checkpoints',
    'truncate audit_checkpoints',
  ];

  beforeAll(async () => {
    await forget();
    await fill();
  });

  it.each(refused)('refuse %s, even to a superuser', async (statement) => {
    await expect(db.sql.unsafe(statement)).rejects.toThrow(/is append-only/);
  });

  it.each(refused)('refuse %s to an owner who is none', async (statement) => {
    const role = `owner_${crypto.randomUUID().slice(0, 8)}`;
    await su.unsafe(`create role ${role}`);
    const attempt = su.begin(async (tx) => {
      await tx.unsafe(`
        alter table audit_log owner to ${role}; alter table audit_checkpoints owner to ${role};
        revoke update, delete, truncate on audit_log, audit_checkpoints from ${role}; grant usage on schema public to ${role};
        set local role ${role}`);
      await tx.unsafe(statement);
    });
    await expect(attempt).rejects.toThrow(/permission denied/);
    await su.unsafe(`drop role ${role}`);
  });
});

describe('many writers', () => {
  it('make one chain without a gap, and what is rolled back leaves none', async () => {
    await forget();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, n) =>
        inTransaction(db, async (tx) => {
          await writeAudit(tx, entry(n));
          if (n % 10 === 0) throw new Error('taken back');
        }),
      ),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(180);
    expect(await verify()).toMatchObject({ ok: true, rows: 180 });
  });
});
