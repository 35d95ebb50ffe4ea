import type { Sql } from 'postgres';
import { waitFor } from '../support/wait.ts';
import type { LoadResult } from './load.ts';
import { percentile } from './stats.ts';

/** Fails unless every answer was good. */
export const assertGood = ({ bad }: LoadResult): void => {
  if (bad.size > 0) throw new Error(`unexpected answers, by status: ${JSON.stringify([...bad])}`);
};

export const countEvents = async (sql: Sql): Promise<number> => {
  const [row] = await sql<{ n: number }[]>`select count(*)::int as n from certificate_lifecycle_events`;
  return row?.n ?? 0;
};

/** Fails unless every answer was good and the ledger holds exactly `expected` events. */
export const assertAllStored = async (sql: Sql, load: LoadResult, expected: number): Promise<void> => {
  assertGood(load);
  const stored = await countEvents(sql);
  if (stored !== expected) throw new Error(`${expected} events were accepted, but the ledger holds ${stored}`);
};

/** Waits until nothing is pending. */
export const untilApplied = async (sql: Sql, timeoutMs = 120_000): Promise<void> => {
  const nothingPending = async (): Promise<boolean> => {
    // By the kept counts: a look at the ledger would be a scan, at the cost of what is measured.
    const [row] = await sql<{ done: boolean }[]>`
      select coalesce(sum(n), 0) = 0 as done from event_counts where status = 'pending'`;
    return row?.done === true;
  };
  await waitFor(nothingPending, { timeoutMs, intervalMs: 25, what: 'all events to be applied' });
};

/** Fails unless all events are applied and every domain that had any shows its last one. */
export const assertApplied = async (sql: Sql): Promise<void> => {
  const [row] = await sql<{ unapplied: number; behind: number }[]>`
    select count(*) filter (where e.status <> 'applied')::int as unapplied,
      count(*) filter (where d.cert_last_event_at is distinct from e.occurred_at)::int as behind
    from (select distinct on (domain) domain, status, occurred_at from certificate_lifecycle_events
          order by domain, occurred_at desc, id desc) e
    join custom_domains d using (domain)`;
  if (row?.unapplied !== 0 || row.behind !== 0) {
    throw new Error(`not all was applied: ${JSON.stringify(row)}`);
  }
};

/** p50 and p99 of milliseconds from an event's receipt to its being applied, as the ledger has them. */
export const applyLatency = async (sql: Sql, source: string): Promise<Record<string, number>> => {
  const rows = await sql<{ ms: number }[]>`
    select (extract(epoch from processed_at - created_at) * 1000)::float8 as ms from certificate_lifecycle_events
    where source_event_id like ${`%/${source}-%`} order by 1`;
  const sorted = rows.map(({ ms }) => ms);
  return { 'applied p50 ms': percentile(sorted, 0.5), 'applied p99 ms': percentile(sorted, 0.99) };
};
