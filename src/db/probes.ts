import type { ProbedDomain } from '../lifecycle/conclude.ts';
import type { KnownCertificates } from '../lifecycle/drift.ts';
import type { KnownAddress } from '../lifecycle/observe.ts';
import type { StarttlsProtocol } from '../lifecycle/served.ts';
import type { TlsMode } from '../lifecycle/types.ts';
import type { Db, Sql, Tx } from './client.ts';
import { ms } from './epoch.ts';
import { lockedColumns, lockedDomain, type LockedRow } from './locked-domain.ts';

export interface Claim {
  readonly now: number;
  /** How long the claimed are not due again, should their job be lost. */
  readonly leaseMs: number;
  readonly limit: number;
}

/** Takes domains whose look is due, the longest due first, and lends them out; other claims of the same moment get others. */
export const claimDue = async ({ sql }: Pick<Db, 'sql'>, { now, leaseMs, limit }: Claim): Promise<string[]> => {
  const rows = await sql<{ id: string }[]>`
    with due as (
      select c.domain_id from domain_clocks c where c.probe_due_at <= to_timestamp(${now} / 1000.0)
      order by c.probe_due_at limit ${limit} for update skip locked)
    update domain_clocks c set probe_due_at = to_timestamp(${now + leaseMs} / 1000.0)
    from due where c.domain_id = due.domain_id
    returning c.domain_id as id`;
  return rows.map(({ id }) => id);
};

/** Gives claimed domains back that could not be looked at: they are due again at their own time, but not before `at` (epoch ms). */
export const releaseClaims = async ({ sql }: Db, ids: readonly string[], at: number): Promise<void> => {
  await sql`
    with lent as (
      select c.domain_id from domain_clocks c where c.domain_id = any(${[...ids]}::uuid[]) and c.probe_due_at > to_timestamp(${at} / 1000.0)
      for update skip locked)
    update domain_clocks c set probe_due_at = greatest(d.probe_due_at, to_timestamp(${at} / 1000.0))
    from lent join custom_domains d on d.id = lent.domain_id
    where c.domain_id = lent.domain_id`;
};

/** How a domain is reached. A look that was made with other settings says nothing of it. */
export interface Reach {
  readonly probeAddress: readonly string[] | null;
  readonly starttls: StarttlsProtocol | null;
  readonly tlsMode: TlsMode;
}

/** A domain to be looked at, as it is before the look. */
export interface ProbeSubject extends Reach {
  readonly id: string;
  readonly domain: string;
  /** Verified, routed and ended here: one that is looked at without being asked. */
  readonly routine: boolean;
  /** Only full handshakes are wanted. */
  readonly full: boolean;
  /** As decided at the last look, epoch ms; a claim does not change it. */
  readonly probeDueAt: number;
  /** Looks at a deployment that are still to come. */
  readonly probeChecks: number;
  readonly addresses: readonly KnownAddress[];
}

const reachColumns = (sql: Sql | Tx) => sql`d.probe_address as "probeAddress", d.starttls, d.tls_mode as "tlsMode"`;

type AddressRow = KnownAddress & { readonly domainId: string };

const addressRows = (sql: Sql | Tx, ids: readonly string[]) => sql<AddressRow[]>`
  select a.domain_id as "domainId", a.address, a.certificate_ref as "certificateRef", ${ms(sql, 'a.tls_not_before')} as "notBefore",
    ${ms(sql, 'a.tls_not_after')} as "notAfter", ${ms(sql, 'a.chain_not_after')} as "chainNotAfter", a.verdict, a.error, a.depth,
    a.full_verdict as "fullVerdict", a.full_error as "fullError", ${ms(sql, 'a.fully_checked_at')} as "fullyCheckedAt",
    ${ms(sql, 'a.checked_at')} as "checkedAt", a.failures
  from domain_addresses a where a.domain_id = any(${[...ids]}::uuid[])`;

const byDomain = <Row extends { readonly id: string }>(
  rows: readonly Row[],
  addresses: readonly AddressRow[],
): (Row & { readonly addresses: readonly KnownAddress[] })[] => {
  const of = Map.groupBy(addresses, ({ domainId }) => domainId);
  return rows.map((row) => ({ ...row, addresses: of.get(row.id) ?? [] }));
};

/** The domains of a job with what is known of their addresses; those that are gone are left out. */
export const loadSubjects = async ({ sql }: Db, ids: readonly string[]): Promise<ProbeSubject[]> => {
  const [rows, addresses] = await Promise.all([
    sql<Omit<ProbeSubject, 'addresses'>[]>`
      select d.id, d.domain, ${reachColumns(sql)}, ${ms(sql, 'd.probe_due_at')} as "probeDueAt", d.probe_checks as "probeChecks",
        d.probe_mode = 'full' as full,
        d.verified and d.tls_mode = 'termination' and d.target_tunnel_id is not null and d.probe_mode <> 'off' as routine
      from custom_domains d where d.id = any(${[...ids]}::uuid[])`,
    addressRows(sql, ids),
  ]);
  return byDomain(rows, addresses);
};

interface ProbedRow extends LockedRow, Reach, Pick<ProbedDomain, 'failures' | 'drift' | 'ari'> {
  readonly tlsMode: TlsMode;
  readonly currentDueAt: number | null;
}

const probedDomain = (row: ProbedRow): Omit<ProbedDomain & Reach, 'addresses'> => {
  const { probeAddress, starttls, tlsMode, failures, currentDueAt: renewalDueAt, drift, ari } = row;
  return { ...lockedDomain(row), probeAddress, starttls, tlsMode, failures, renewalDueAt, drift, ari };
};

/** Locks domains in id order and reads what a look is compared with, as it stands behind the locks. */
export const lockProbed = async (tx: Tx, ids: readonly string[]): Promise<(ProbedDomain & Reach)[]> => {
  const [, rows, addresses] = await Promise.all([
    // As in applying events: rows are looked up by key, and planning that anew costs more than it.
    tx`select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)`,
    tx<ProbedRow[]>`
      select ${lockedColumns(tx)}, ${reachColumns(tx)}, d.probe_failures as failures, ${ms(tx, 'd.renewal_due_at')} as "currentDueAt",
        json_build_object('state', d.drift_state, 'since', ${ms(tx, 'd.drift_since')}) as drift,
        case when d.ari_id is not null and d.ari_certificate_ref is not null then
          json_build_object('id', d.ari_id, 'certificateRef', d.ari_certificate_ref) end as ari
      from custom_domains d where d.id = any(${[...ids]}::uuid[])
      order by d.id for update of d`,
    addressRows(tx, ids),
  ]);
  return byDomain(rows.map(probedDomain), addresses);
};

const isHash = (ref: string | null): ref is string => ref !== null && ref.toLowerCase().startsWith('sha256:');

/** The certificates these domains have had: those of applied events, and those served until the last success. */
export const knownCertificates = async (
  tx: Tx,
  domains: readonly Pick<ProbedDomain, 'id' | 'domain' | 'state'>[],
): Promise<ReadonlyMap<string, KnownCertificates>> => {
  if (domains.length === 0) return new Map();
  const ids = domains.map(({ id }) => id);
  const until = domains.map(({ state }) => state.lastSuccessAt);
  const rows = await tx<{ id: string; ref: string | null; end: number | null }[]>`
    select distinct e.domain_id as id, e.certificate_ref as ref, floor(extract(epoch from e.not_after))::float8 as end
    from certificate_lifecycle_events e
    where e.domain = any(${domains.map(({ domain }) => domain)}::text[]) and e.domain_id = any(${ids}::uuid[]) and e.status = 'applied'
    union
    select o.domain_id, o.certificate_ref, null
    from unnest(${ids}::uuid[], ${until}::float8[]) as u(id, until)
    join probe_observations o on o.domain_id = u.id and o.created_at <= to_timestamp(u.until / 1000)
    where o.certificate_ref is not null`;
  return new Map(
    [...Map.groupBy(rows, ({ id }) => id)].map(([id, its]) => {
      const refs = new Set(its.flatMap(({ ref }) => (isHash(ref) ? [ref.toUpperCase()] : [])));
      const ends = new Set(its.flatMap(({ ref, end }) => (end === null || isHash(ref) ? [] : [end])));
      return [id, { refs, ends }];
    }),
  );
};
