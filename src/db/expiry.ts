import type { Db } from './client.ts';
import { ms } from './epoch.ts';

type Reader = Pick<Db, 'sql'>;

const dayMs = 86_400_000;
const shownDays = 90;
// A count over all domains may take no more than a fiftieth of the time.
const restFactor = 50;
const leastRestMs = 60_000;
// 'exdc' in ASCII.
const lockKey = 0x65786463;

/** Certificates that expire on one day, UTC. */
export interface ExpiryDay {
  /** `2026-11-22`. */
  readonly day: string;
  readonly domains: number;
  /** Of these, past the time at which they had to be renewed. */
  readonly overdue: number;
}

export interface Expiry {
  /** When they were counted, epoch ms; null when they never were. */
  readonly countedAt: number | null;
  /** Today and the 89 days after it, also those on which none expires. */
  readonly days: readonly ExpiryDay[];
}

/** Certificates by the day they expire, of one organisation or of all (null). */
export const readExpiry = async ({ sql }: Reader, orgId: string | null, now: number): Promise<Expiry> => {
  const today = Math.floor(now / dayMs);
  const [rows, [counted]] = await Promise.all([
    sql<{ day: number; domains: number; overdue: number }[]>`
      select day, domains, overdue from expiry_days
      where org_id = ${orgId ?? ''} and day >= ${today} and day < ${today + shownDays}`,
    sql<{ at: number }[]>`select ${ms(sql, 'at')} as at from expiry_counts`,
  ]);
  const byDay = new Map(rows.map((row) => [row.day, row]));
  return {
    countedAt: counted?.at ?? null,
    days: Array.from({ length: shownDays }, (_, index) => {
      const { domains = 0, overdue = 0 } = byDay.get(today + index) ?? {};
      return { day: new Date((today + index) * dayMs).toISOString().slice(0, 10), domains, overdue };
    }),
  };
};

/**
 * Counts certificates by the day they expire, once a minute at most, and less often where a count takes long. Nothing is
 * done where another process is at it.
 *
 * @returns whether it was done
 */
export const countExpiry = ({ sql }: Reader, now: () => number): Promise<boolean> =>
  sql.begin(async (tx) => {
    const started = now();
    const [state] = await tx<{ taken: boolean; at: number | null; took_ms: number | null }[]>`
      select pg_try_advisory_xact_lock(${lockKey}) as taken, ${ms(tx, 'c.at')} as at, c.took_ms
      from (select 1) as one left join expiry_counts c on true`;
    if (state === undefined || !state.taken) return false;
    const rest = Math.max(leastRestMs, restFactor * (state.took_ms ?? 0));
    // A tick that comes a moment early still counts.
    if (state.at !== null && started - state.at < rest - 5000) return false;
    const today = Math.floor(started / dayMs);
    // A scan of everything is done by one process, beside the others' work.
    await tx`select set_config('jit', 'off', true), set_config('max_parallel_workers_per_gather', '0', true)`;
    await tx`delete from expiry_days`;
    await tx`
      insert into expiry_days (org_id, day, domains, overdue)
      with counted as materialized (
        select coalesce(org_id, '') as org_id, floor(extract(epoch from tls_not_after) / 86400)::int as day, count(*) as domains,
          count(*) filter (where verified and tls_mode = 'termination' and renewal_due_at <= to_timestamp(${started} / 1000.0)) as overdue
        from custom_domains
        where tls_not_after >= to_timestamp(${today * 86_400}) and tls_not_after < to_timestamp(${(today + shownDays) * 86_400})
        group by 1, 2)
      select '', day, sum(domains), sum(overdue) from counted group by day
      union all select org_id, day, domains, overdue from counted where org_id <> ''`;
    await tx`
      insert into expiry_counts (id, at, took_ms) values (1, to_timestamp(${started} / 1000.0), ${Math.round(now() - started)})
      on conflict (id) do update set at = excluded.at, took_ms = excluded.took_ms`;
    return true;
  });
