import type { ProbeWrite } from '../lifecycle/conclude.ts';
import type { AddressRow } from '../lifecycle/observe.ts';
import type { Tx } from './client.ts';

const saveDomains = (tx: Tx, writes: readonly ProbeWrite[], now: number) => {
  const pick = <T>(read: (write: ProbeWrite) => T): T[] => writes.map(read);
  const served = pick(({ observation }) => observation.served);
  const shown = pick(({ view }) => view.certificate);
  const due = pick(({ view }) => view.renewalDue);
  // Of a certificate that events named, nothing is written: what they said is theirs alone.
  return tx`
    update custom_domains d set
      tls_status = u.tls_status, tls_last_error = u.error,
      certificate_ref = case when u.filled = 1 or d.certificate_filled then u.certificate_ref else d.certificate_ref end,
      tls_not_before = case when u.filled = 1 or d.certificate_filled then to_timestamp(u.not_before / 1000) else d.tls_not_before end,
      tls_not_after = case when u.filled = 1 or d.certificate_filled then to_timestamp(u.not_after / 1000) else d.tls_not_after end,
      certificate_filled = u.filled = 1,
      renewal_due_at = to_timestamp(u.due_at / 1000), renewal_due_source = u.due_source,
      observed_certificate_ref = u.observed_ref, observed_not_before = to_timestamp(u.observed_not_before / 1000),
      observed_not_after = to_timestamp(u.observed_not_after / 1000), tls_fault = u.fault, tls_fault_error = u.fault_error,
      tls_last_checked_at = to_timestamp(u.checked_at / 1000), drift_state = u.drift, drift_since = to_timestamp(u.drift_since / 1000),
      probe_due_at = to_timestamp(u.probe_due_at / 1000), probe_checks = u.probe_checks, probe_failures = u.failures,
      look_due_at = to_timestamp(u.look_due_at / 1000),
      ari_id = coalesce(u.ari_id, d.ari_id), ari_certificate_ref = coalesce(u.ari_ref, d.ari_certificate_ref),
      ari_window_end = case when u.ari_id is null then d.ari_window_end end,
      ari_due_at = case when u.ari_id is null or d.ca_directory is null then d.ari_due_at else to_timestamp(${now} / 1000.0) end,
      updated_at = case when u.changed = 1 then to_timestamp(${now} / 1000.0) else d.updated_at end
    from unnest(
      ${pick((w) => w.domain.id)}::uuid[], ${pick((w) => w.view.tlsStatus)}::text[], ${pick((w) => w.view.error)}::text[],
      ${shown.map(({ filled }) => Number(filled))}::int2[], ${shown.map(({ ref }) => ref)}::text[],
      ${shown.map(({ notBefore }) => notBefore)}::float8[], ${shown.map(({ notAfter }) => notAfter)}::float8[],
      ${due.map((one) => one?.at ?? null)}::float8[], ${due.map((one) => one?.source ?? null)}::text[],
      ${served.map((one) => one.certificateRef)}::text[], ${served.map((one) => one.notBefore)}::float8[],
      ${served.map((one) => one.notAfter)}::float8[], ${served.map((one) => one.fault)}::text[],
      ${served.map((one) => one.faultError)}::text[], ${served.map((one) => one.checkedAt)}::float8[],
      ${pick((w) => w.drift.state)}::text[], ${pick((w) => w.drift.since)}::float8[],
      ${pick((w) => w.schedule.probeDueAt)}::float8[], ${pick((w) => w.schedule.probeChecks)}::int2[],
      ${pick((w) => w.observation.failures)}::int[], ${pick((w) => w.lookDueAt)}::float8[],
      ${pick((w) => w.ari?.id ?? null)}::text[], ${pick((w) => w.ari?.certificateRef ?? null)}::text[],
      ${pick((w) => Number(w.changed))}::int2[]
    ) as u(id, tls_status, error, filled, certificate_ref, not_before, not_after, due_at, due_source, observed_ref, observed_not_before,
           observed_not_after, fault, fault_error, checked_at, drift, drift_since, probe_due_at, probe_checks, failures, look_due_at,
           ari_id, ari_ref, changed)
    where d.id = u.id`;
};

interface Line<T> {
  readonly id: string;
  readonly of: T;
}

const linesOf = <T>(writes: readonly ProbeWrite[], read: (write: ProbeWrite) => readonly T[]): Line<T>[] =>
  writes.flatMap((write) => read(write).map((of) => ({ id: write.domain.id, of })));

const detailsOf = ({ certificate }: AddressRow): string | null => {
  if (certificate === null) return null;
  const { serial, subject, issuer, names, chainLength, tlsVersion, ocsp } = certificate;
  return JSON.stringify({ serial, subject, issuer, names, chainLength, tlsVersion, ocsp });
};

const saveAddresses = (tx: Tx, lines: readonly Line<AddressRow>[]) => {
  const pick = <T>(read: (row: AddressRow) => T): T[] => lines.map(({ of }) => read(of));
  return tx`
    insert into domain_addresses (domain_id, address, certificate_ref, tls_not_before, tls_not_after, chain_not_after, verdict, error, depth,
      full_verdict, full_error, fully_checked_at, checked_at, failures, details)
    select u.id, u.address, u.ref, to_timestamp(u.not_before / 1000), to_timestamp(u.not_after / 1000), to_timestamp(u.chain_not_after / 1000),
      u.verdict, u.error, u.depth, u.full_verdict, u.full_error, to_timestamp(u.fully_checked_at / 1000), to_timestamp(u.checked_at / 1000),
      u.failures, u.details::jsonb
    from unnest(
      ${lines.map(({ id }) => id)}::uuid[], ${pick((r) => r.address)}::text[], ${pick((r) => r.certificateRef)}::text[],
      ${pick((r) => r.notBefore)}::float8[], ${pick((r) => r.notAfter)}::float8[], ${pick((r) => r.chainNotAfter)}::float8[],
      ${pick((r) => r.verdict)}::text[], ${pick((r) => r.error)}::text[], ${pick((r) => r.depth)}::text[],
      ${pick((r) => r.fullVerdict)}::text[], ${pick((r) => r.fullError)}::text[], ${pick((r) => r.fullyCheckedAt)}::float8[],
      ${pick((r) => r.checkedAt)}::float8[], ${pick((r) => r.failures)}::int[], ${pick(detailsOf)}::text[]
    ) as u(id, address, ref, not_before, not_after, chain_not_after, verdict, error, depth, full_verdict, full_error, fully_checked_at,
           checked_at, failures, details)
    on conflict (domain_id, address) do update set
      certificate_ref = excluded.certificate_ref, tls_not_before = excluded.tls_not_before, tls_not_after = excluded.tls_not_after,
      chain_not_after = excluded.chain_not_after, verdict = excluded.verdict, error = excluded.error, depth = excluded.depth,
      full_verdict = excluded.full_verdict, full_error = excluded.full_error, fully_checked_at = excluded.fully_checked_at,
      checked_at = excluded.checked_at, failures = excluded.failures, details = coalesce(excluded.details, domain_addresses.details)`;
};

const touchAddresses = (tx: Tx, lines: readonly Line<AddressRow>[]) => tx`
  update domain_addresses a set checked_at = to_timestamp(u.checked_at / 1000), depth = u.depth
  from unnest(${lines.map(({ id }) => id)}::uuid[], ${lines.map(({ of }) => of.address)}::text[],
              ${lines.map(({ of }) => of.checkedAt)}::float8[], ${lines.map(({ of }) => of.depth)}::text[]) as u(id, address, checked_at, depth)
  where a.domain_id = u.id and a.address = u.address`;

const dropAddresses = (tx: Tx, lines: readonly Line<string>[]) => tx`
  delete from domain_addresses a
  using unnest(${lines.map(({ id }) => id)}::uuid[], ${lines.map(({ of }) => of)}::text[]) as u(id, address)
  where a.domain_id = u.id and a.address = u.address`;

const recordFacts = (tx: Tx, lines: readonly Line<ProbeWrite['observation']['facts'][number]>[], now: number) => tx`
  insert into probe_observations (domain_id, address, certificate_ref, tls_not_after, verdict, error, depth, created_at)
  select u.id, u.address, u.ref, to_timestamp(u.not_after / 1000), u.verdict, u.error, u.depth, to_timestamp(${now} / 1000.0)
  from unnest(${lines.map(({ id }) => id)}::uuid[], ${lines.map(({ of }) => of.address)}::text[],
              ${lines.map(({ of }) => of.certificateRef)}::text[], ${lines.map(({ of }) => of.notAfter)}::float8[],
              ${lines.map(({ of }) => of.verdict)}::text[], ${lines.map(({ of }) => of.error)}::text[],
              ${lines.map(({ of }) => of.depth)}::text[]) as u(id, address, ref, not_after, verdict, error, depth)`;

/** Writes what looks came to, all in the caller's transaction; an address of which nothing is new costs its time only. */
export const saveProbes = async (tx: Tx, writes: readonly ProbeWrite[], now: number): Promise<void> => {
  const rows = linesOf(writes, ({ observation }) => observation.rows);
  const touched = linesOf(writes, ({ observation }) => observation.touched);
  const dropped = linesOf(writes, ({ observation }) => observation.dropped);
  const facts = linesOf(writes, ({ observation }) => observation.facts);
  await Promise.all([
    writes.length > 0 ? saveDomains(tx, writes, now) : null,
    rows.length > 0 ? saveAddresses(tx, rows) : null,
    touched.length > 0 ? touchAddresses(tx, touched) : null,
    dropped.length > 0 ? dropAddresses(tx, dropped) : null,
    facts.length > 0 ? recordFacts(tx, facts, now) : null,
  ]);
};
