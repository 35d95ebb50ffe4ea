import type { Flaw, Sql } from '../support/ledger.ts';
import { type AnswerLine, readAnswers, readSent, type SentLine } from './journal.ts';

/** What the senders wrote down. */
export interface Accounts {
  readonly sent: ReadonlyMap<string, SentLine>;
  /** Id by identity of every event that was answered 202. */
  readonly acked: ReadonlyMap<string, string>;
  /** Answers that show a broken promise by themselves. */
  readonly flaws: readonly Flaw[];
}

/** Answers that an honest sender of valid events may get: no answer at all, 202, and "later". */
const expected: ReadonlySet<number> = new Set([0, 202, 429, 503]);

const flawOfAnswer = (acked: ReadonlyMap<string, string>, [, , status, identity, id]: AnswerLine): Flaw | null => {
  if (!expected.has(status)) return { flaw: 'an answer that nobody expects', status, identity };
  if (status !== 202) return null;
  if (id === null) return { flaw: 'a 202 without an id', identity };
  const first = acked.get(identity);
  return first === undefined || first === id ? null : { flaw: 'accepted under two ids', identity, ids: [first, id] };
};

/** Reads the journals of all drives. */
export const accountsOf = (dirs: readonly string[]): Accounts => {
  const sent = new Map<string, SentLine>();
  const acked = new Map<string, string>();
  const flaws: Flaw[] = [];
  for (const dir of dirs) {
    for (const event of readSent(dir)) sent.set(event.sourceEventId, event);
    for (const answer of readAnswers(dir)) {
      const flaw = flawOfAnswer(acked, answer);
      if (flaw !== null) flaws.push(flaw);
      const [, , status, identity, id] = answer;
      if (status === 202 && id !== null && !acked.has(identity)) acked.set(identity, id);
    }
  }
  return { sent, acked, flaws };
};

interface Row {
  readonly id: string;
  readonly identity: string | null;
  readonly status: string;
  readonly outcome: string | null;
  readonly ended: boolean;
  readonly waits: boolean;
  readonly content: Readonly<Record<string, unknown>>;
}

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;
const ledger = `
  select id, source_event_id as identity, status, outcome, processed_at is not null as ended, next_retry_at is not null as waits,
    json_build_object('source', source, 'clusterId', cluster_id, 'domain', domain, 'eventType', event_type,
      'occurredAt', ${ms('occurred_at')}, 'reason', reason, 'certificateRef', certificate_ref, 'notBefore', ${ms('not_before')},
      'notAfter', ${ms('not_after')}, 'renewalDueAt', ${ms('renewal_due_at')}, 'callbackClass', callback_class,
      'callbackAction', callback_action, 'callbackAttempt', callback_attempt, 'payload', payload_json) as content
  from certificate_lifecycle_events`;

const sorted = (value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(
        Object.entries(value)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([key, inner]) => [key, sorted(inner)]),
      )
    : value;

/** What the product sets itself where the sender leaves it out. */
const defaults: ReadonlySet<string> = new Set(['occurredAt', 'eventType', 'source']);

/** Fields in which a row is not what was sent. */
const differences = (content: Row['content'], sent: SentLine): string[] =>
  Object.entries(content)
    .filter(([key]) => !defaults.has(key) || sent[key] !== undefined)
    .filter(([key, value]) => JSON.stringify(sorted(value)) !== JSON.stringify(sorted(sent[key] ?? null)))
    .map(([key]) => key);

const flawsOfRow = (row: Row, { sent }: Accounts, ours: RegExp): Flaw[] => {
  const { id, identity, status, outcome, ended, waits, content } = row;
  const found: Flaw[] = [];
  const event = identity === null ? undefined : sent.get(identity);
  const wrong = event === undefined ? [] : differences(content, event);
  if (wrong.length > 0) found.push({ flaw: 'not what was sent', id, identity, fields: wrong });
  if (event === undefined && identity !== null && ours.test(identity))
    found.push({ flaw: 'in the ledger, but nobody sent it', id, identity });
  if (status === 'pending') found.push({ flaw: 'without an end', id, identity });
  if (status !== 'pending' && (!ended || waits))
    found.push({ flaw: 'ended, but not as an end is written', id, status });
  if ((outcome !== null) !== (status === 'applied')) found.push({ flaw: 'outcome and status disagree', id, status });
  return found;
};

/** Holds the ledger against what the senders wrote down, row by row. `ours` matches the identities of drives. */
export const checkRows = async (sql: Sql, accounts: Accounts, ours: RegExp): Promise<Flaw[]> => {
  const flaws: Flaw[] = [...accounts.flaws];
  const ids = new Map<string, string>();
  for await (const rows of sql.unsafe<Row[]>(ledger).cursor(5000)) {
    for (const row of rows) {
      flaws.push(...flawsOfRow(row, accounts, ours));
      if (row.identity === null) continue;
      const other = ids.get(row.identity);
      if (other !== undefined)
        flaws.push({ flaw: 'in the ledger twice', identity: row.identity, ids: [other, row.id] });
      ids.set(row.identity, row.id);
    }
  }
  for (const [identity, id] of accounts.acked)
    if (ids.get(identity) !== id)
      flaws.push({ flaw: 'accepted, but not in the ledger', identity, id, found: ids.get(identity) ?? null });
  return flaws;
};

const flawsFrom = async (flaw: string, rows: PromiseLike<Iterable<object>>): Promise<Flaw[]> =>
  [...(await rows)].map((row) => ({ ...row, flaw }));

/** Events applied more than once over all their generations, or applied without the database having seen it. */
export const checkEffects = async (sql: Sql): Promise<Flaw[]> => [
  ...(await flawsFrom(
    'applied more than once',
    sql`select event_id as id, count(*)::int as times from noted_applications group by 1 having count(*) > 1`,
  )),
  ...(await flawsFrom(
    'applied, but never seen to be',
    sql`select id from certificate_lifecycle_events e where status = 'applied'
      and not exists (select 1 from noted_applications n where n.event_id = e.id)`,
  )),
  ...(await flawsFrom(
    'seen to be applied, but not applied',
    sql`select event_id as id from noted_applications n
      where not exists (select 1 from certificate_lifecycle_events e where e.id = n.event_id and e.status = 'applied')`,
  )),
];

/** What cannot be reached from what it belongs to, and dead letters that should not be. */
export const checkBelongings = async (sql: Sql): Promise<Flaw[]> => [
  ...(await flawsFrom(
    'a try without its event',
    sql`select event_id from cert_event_attempts a
      where not exists (select 1 from certificate_lifecycle_events e where e.id = a.event_id)`,
  )),
  ...(await flawsFrom(
    'an incident without its domain',
    sql`select id, domain from certificate_incidents i where not exists (select 1 from custom_domains d where d.id = i.domain_id)`,
  )),
  ...(await flawsFrom(
    'an incident without its event',
    sql`select id, domain from certificate_incidents i where event_id is not null
      and not exists (select 1 from certificate_lifecycle_events e where e.id = i.event_id and e.domain = i.domain)`,
  )),
  ...(await flawsFrom(
    'two live incidents of one kind',
    sql`select domain, incident_type, count(*)::int as n from certificate_incidents where status <> 'resolved'
      group by 1, 2 having count(*) > 1`,
  )),
  ...(await flawsFrom(
    'applied to another domain or organisation than its own',
    sql`select e.id, e.domain from certificate_lifecycle_events e left join custom_domains d on d.id = e.domain_id
      where e.status = 'applied' and (d.domain, d.org_id) is distinct from (e.domain, e.org_id)`,
  )),
  ...(await flawsFrom(
    'unresolved, though its domain is registered',
    sql`select e.id, e.domain, e.status from certificate_lifecycle_events e join custom_domains d on d.domain = e.domain
      where e.error_class = 'unresolved'`,
  )),
  ...(await flawsFrom(
    'a dead letter whose tries do not add up',
    sql`select e.id, e.retry_count, count(a.id)::int as tries from certificate_lifecycle_events e
      left join cert_event_attempts a on a.event_id = e.id and a.generation = e.generation
      where e.status = 'failed' group by 1, 2 having count(a.id) <> e.retry_count or max(a.attempt) is distinct from e.retry_count`,
  )),
];

/** Events given up for a fault of the program, or of what it depends on: that costs no try. */
export const checkFaults = (sql: Sql): Promise<Flaw[]> =>
  flawsFrom(
    'a try that failed for a fault of the program',
    sql`select a.event_id as id, a.error_class, a.error from cert_event_attempts a where a.error_class <> 'unresolved' limit 100`,
  );
