import { v7 as uuidv7 } from 'uuid';
import { AppError } from '../errors.ts';
import type { DomainPatch } from '../lifecycle/domain-input.ts';
import type { Db } from './client.ts';
import {
  type Clock,
  type DomainRow,
  newVerificationToken,
  type OrmTx,
  patched,
  type SettingColumns,
  unchanged,
} from './domain-row.ts';
import { getTableColumns, type SQL, sql } from './drizzle.ts';
import { customDomains } from './schema.ts';
import { type Route, tunnelsFor } from './tunnels.ts';

const {
  verification_token: _token,
  created_at: _created,
  updated_at: _updated,
  ...columns
} = getTableColumns(customDomains);
type KnownRow = Omit<DomainRow, 'verification_token' | 'created_at' | 'updated_at'>;

interface Change {
  readonly row: KnownRow | null;
  readonly domain: string;
  readonly next: SettingColumns;
}

const shape = sql.raw(`
  id uuid, domain text, verification_token text, target_tunnel_id uuid, org_id text, verified boolean, last_verified_at timestamptz,
  tls_mode text, region text, probe_address text[], starttls text, probe_mode text, tls_status text, cert_failure_policy text,
  cert_retry_backoff_seconds int, cert_next_retry_at timestamptz, expiry_warn_percent int2, ca_directory text, ari_due_at timestamptz,
  tls_last_error text, renewal_due_at timestamptz, renewal_due_source text, look_due_at timestamptz, probe_due_at timestamptz,
  probe_failures int, drift_state text, drift_since timestamptz, tls_fault text, tls_fault_error text, at timestamptz`);

// One text parameter for the whole batch: unnest cannot hold a list of addresses per row.
const given = (rows: readonly object[]): SQL =>
  sql`json_to_recordset(${JSON.stringify(rows)}::text::json) as g(${shape})`;

/** Locks the rows that exist, in the order in which applying events locks them. */
const lockKnown = (tx: OrmTx, names: readonly string[]): Promise<KnownRow[]> =>
  tx
    .select(columns)
    .from(customDomains)
    .where(sql`${customDomains.domain} in (select json_array_elements_text(${JSON.stringify(names)}::text::json))`)
    .orderBy(customDomains.id)
    .for('update');

const routeOf = ({ org_id, region }: Pick<DomainRow, 'org_id' | 'region'>): Route | null =>
  region === null ? null : { orgId: org_id, region };

const rerouted = ({ row, next }: Change): boolean =>
  row === null || row.org_id !== next.org_id || row.region !== next.region;

/** The rows to write, each with the tunnel that its organisation and region lead to. */
const withTunnels = async (tx: OrmTx, changes: readonly Change[], clock: Clock) => {
  const routes = changes.filter(rerouted).flatMap(({ next }) => routeOf(next) ?? []);
  const tunnelOf = await tunnelsFor(tx, routes);
  const at = new Date(clock.now);
  return changes.map((change) => {
    const { row, domain, next } = change;
    const route = routeOf(next);
    const tunnel = rerouted(change) ? route && tunnelOf(route) : (row?.target_tunnel_id ?? null);
    return { ...next, domain, id: row?.id ?? uuidv7(), target_tunnel_id: tunnel, at };
  });
};

const insertNew = async (tx: OrmTx, rows: readonly object[]): Promise<string[]> => {
  if (rows.length === 0) return [];
  const withTokens = rows.map((row) => ({ ...row, verification_token: newVerificationToken() }));
  const made = await tx.execute<{ domain: string }>(sql`
    insert into custom_domains (id, domain, verification_token, target_tunnel_id, org_id, verified, last_verified_at, tls_mode, region,
      probe_address, starttls, probe_mode, tls_status, cert_failure_policy, cert_retry_backoff_seconds, cert_next_retry_at, expiry_warn_percent,
      ca_directory, ari_due_at, tls_last_error, renewal_due_at, renewal_due_source, look_due_at, probe_due_at, probe_failures,
      created_at, updated_at)
    select id, domain, verification_token, target_tunnel_id, org_id, verified, last_verified_at, tls_mode, region,
      probe_address, starttls, probe_mode, tls_status, cert_failure_policy, cert_retry_backoff_seconds, cert_next_retry_at,
      expiry_warn_percent, ca_directory, ari_due_at, tls_last_error, renewal_due_at, renewal_due_source, look_due_at, probe_due_at,
      probe_failures, at, at
    from ${given(withTokens)}
    on conflict (domain) do nothing
    returning domain`);
  return made.map(({ domain }) => domain);
};

const updateKnown = async (tx: OrmTx, rows: readonly object[]): Promise<void> => {
  if (rows.length === 0) return;
  await tx.execute(sql`
    update custom_domains d set
      target_tunnel_id = g.target_tunnel_id, org_id = g.org_id, verified = g.verified, last_verified_at = g.last_verified_at,
      tls_mode = g.tls_mode, region = g.region, probe_address = g.probe_address, starttls = g.starttls, probe_mode = g.probe_mode, tls_status = g.tls_status,
      cert_failure_policy = g.cert_failure_policy, cert_retry_backoff_seconds = g.cert_retry_backoff_seconds,
      cert_next_retry_at = g.cert_next_retry_at, expiry_warn_percent = g.expiry_warn_percent, ca_directory = g.ca_directory,
      ari_due_at = g.ari_due_at, tls_last_error = g.tls_last_error, renewal_due_at = g.renewal_due_at,
      renewal_due_source = g.renewal_due_source, look_due_at = g.look_due_at, probe_due_at = g.probe_due_at,
      probe_failures = g.probe_failures, drift_state = g.drift_state, drift_since = g.drift_since, tls_fault = g.tls_fault,
      tls_fault_error = g.tls_fault_error, updated_at = g.at
    from ${given(rows)} where d.id = g.id`);
};

/** Takes what belongs to these domains along to their new organisations. */
const moveToOrgs = async (tx: OrmTx, rows: readonly object[]): Promise<void> => {
  if (rows.length === 0) return;
  const mine = sql`t.domain = g.domain and t.domain_id = g.id and t.org_id is distinct from g.org_id`;
  await tx.execute(sql`update certificate_lifecycle_events t set org_id = g.org_id from ${given(rows)} where ${mine}`);
  await tx.execute(sql`
    update certificate_incidents t set org_id = g.org_id from ${given(rows)} where ${mine} and t.status <> 'resolved'`);
};

const byName = (a: { domain: string }, b: { domain: string }): number => (a.domain < b.domain ? -1 : 1);

/** Why an import for one organisation leaves a domain as it is; null when it does not. */
const refusalOf = ({ row, next }: Change, orgId: string | null): string | null => {
  if (orgId === null) return null;
  if (row !== null && row.org_id !== orgId) return 'The name is registered already';
  return next.verified && row?.verified !== true ? 'The domain must be verified by its TXT record' : null;
};

interface Import {
  readonly patches: ReadonlyMap<string, DomainPatch>;
  readonly clock: Clock;
  readonly orgId: string | null;
}

/** One try at a batch: the names it created, those that somebody else created meanwhile, and those it refused. */
const importOnce = async (tx: OrmTx, { patches, clock, orgId }: Import) => {
  const refused = new Map<string, string>();
  const known = new Map((await lockKnown(tx, [...patches.keys()])).map((row) => [row.domain, row]));
  const changes: Change[] = [];
  for (const [domain, patch] of patches) {
    const row = known.get(domain) ?? null;
    const next = patched(row, patch, clock);
    const why = refusalOf({ row, domain, next }, orgId);
    if (why !== null) refused.set(domain, why);
    else if (row === null || !unchanged(row, next, clock)) changes.push({ row, domain, next });
  }
  const rows = await withTunnels(tx, changes, clock);
  const existing = rows.filter(({ domain }) => known.has(domain));
  await updateKnown(tx, existing);
  await moveToOrgs(
    tx,
    existing.filter(({ domain, org_id }) => known.get(domain)?.org_id !== org_id),
  );
  // In one order, so that imports of the same names wait for each other and never in a ring.
  const fresh = rows.filter(({ domain }) => !known.has(domain)).toSorted(byName);
  const created = new Set(await insertNew(tx, fresh));
  const missed = fresh.filter(({ domain }) => !created.has(domain)).map(({ domain }) => domain);
  return { created, missed, refused };
};

/**
 * Creates or changes many domains in one transaction, by name, as `saveDomain` does one.
 *
 * @param orgId the one organisation whose domains may be changed; null for all
 * @returns the names that are new, and why others were refused.
 */
export const importDomains = async (
  { orm }: Db,
  patches: ReadonlyMap<string, DomainPatch>,
  clock: Clock,
  orgId: string | null = null,
): Promise<{ readonly created: string[]; readonly refused: ReadonlyMap<string, string> }> => {
  const created: string[] = [];
  const refused = new Map<string, string>();
  let waiting = patches;
  for (let round = 0; round < 5 && waiting.size > 0; round += 1) {
    const batch = waiting;
    const done = await orm.transaction((tx) => importOnce(tx, { patches: batch, clock, orgId }));
    created.push(...done.created);
    for (const [domain, why] of done.refused) refused.set(domain, why);
    waiting = new Map(done.missed.map((domain) => [domain, batch.get(domain) ?? {}]));
  }
  if (waiting.size > 0)
    throw new AppError('conflict', 'The same domains are being created and deleted by others; try again');
  return { created, refused };
};
