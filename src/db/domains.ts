import { v7 as uuidv7 } from 'uuid';
import type { DomainPatch } from '../lifecycle/domain-input.ts';
import type { Db } from './client.ts';
import { type Clock, type DomainRow, newVerificationToken, type OrmTx, patched, unchanged } from './domain-row.ts';
import { and, eq, isNotNull, ne, sql } from './drizzle.ts';
import { endAlerts } from './end-alerts.ts';
import { domainAddresses, probeObservations } from './schema-served.ts';
import { customDomains, events, incidents } from './schema.ts';
import { tunnelsFor } from './tunnels.ts';

export interface Saved {
  /** The row as it was; null for a domain that is new. */
  readonly before: DomainRow | null;
  readonly domain: DomainRow;
}

const tunnelOf = async (tx: OrmTx, orgId: string | null, region: string | null): Promise<string | null> => {
  if (region === null) return null;
  const route = { orgId, region };
  return (await tunnelsFor(tx, [route]))(route);
};

const insertDomain = async (tx: OrmTx, domain: string, patch: DomainPatch, clock: Clock): Promise<DomainRow | null> => {
  const columns = patched(null, patch, clock);
  const at = new Date(clock.now);
  const target_tunnel_id = await tunnelOf(tx, columns.org_id, columns.region);
  const fixed = { id: uuidv7(), domain, verification_token: newVerificationToken(), target_tunnel_id };
  const [row] = await tx
    .insert(customDomains)
    .values({ ...columns, ...fixed, created_at: at, updated_at: at })
    .onConflictDoNothing({ target: customDomains.domain })
    .returning();
  return row ?? null;
};

/** Takes what belongs to a domain along to its new organisation. */
const moveToOrg = async (tx: OrmTx, { id, domain }: DomainRow, orgId: string | null): Promise<void> => {
  const elsewhere = sql`is distinct from ${orgId}::text`;
  await tx
    .update(events)
    .set({ org_id: orgId })
    .where(and(eq(events.domain, domain), eq(events.domain_id, id), sql`${events.org_id} ${elsewhere}`));
  await tx
    .update(incidents)
    .set({ org_id: orgId })
    .where(and(eq(incidents.domain, domain), eq(incidents.domain_id, id), ne(incidents.status, 'resolved')));
};

const updateDomain = async (tx: OrmTx, row: DomainRow, patch: DomainPatch, clock: Clock): Promise<DomainRow> => {
  const columns = patched(row, patch, clock);
  if (unchanged(row, columns, clock)) return row;
  const rerouted = columns.org_id !== row.org_id || columns.region !== row.region;
  const tunnel = rerouted ? await tunnelOf(tx, columns.org_id, columns.region) : row.target_tunnel_id;
  const [next] = await tx
    .update(customDomains)
    .set({ ...columns, target_tunnel_id: tunnel, updated_at: new Date(clock.now) })
    .where(eq(customDomains.id, row.id))
    .returning();
  if (columns.org_id !== row.org_id) await moveToOrg(tx, row, columns.org_id);
  return next ?? row;
};

/**
 * Creates a domain or changes the settings that are given. Status and backoff are worked out under the row's lock, which
 * applying events takes as well, so that neither overwrites the other.
 *
 * @returns null when another created it meanwhile: who lost that race tries again in a new transaction, which finds the row.
 */
export const saveDomain = ({ orm }: Db, domain: string, patch: DomainPatch, clock: Clock): Promise<Saved | null> =>
  orm.transaction(async (tx) => {
    const [row] = await tx.select().from(customDomains).where(eq(customDomains.domain, domain)).for('update');
    if (row !== undefined) return { before: row, domain: await updateDomain(tx, row, patch, clock) };
    const created = await insertDomain(tx, domain, patch, clock);
    return created === null ? null : { before: null, domain: created };
  });

/** Creates a domain; null when the name is registered already. */
export const createDomain = (
  { orm }: Db,
  domain: string,
  patch: DomainPatch,
  clock: Clock,
): Promise<DomainRow | null> => orm.transaction((tx) => insertDomain(tx, domain, patch, clock));

/** Changes a domain's settings; null when there is none with this id. */
export const changeDomain = ({ orm }: Db, id: string, patch: DomainPatch, clock: Clock): Promise<Saved | null> =>
  orm.transaction(async (tx) => {
    const [row] = await tx.select().from(customDomains).where(eq(customDomains.id, id)).for('update');
    return row === undefined ? null : { before: row, domain: await updateDomain(tx, row, patch, clock) };
  });

export const findDomain = async ({ orm }: Db, domain: string): Promise<DomainRow | null> => {
  const [row] = await orm.select().from(customDomains).where(eq(customDomains.domain, domain));
  return row ?? null;
};

export const findDomainById = async ({ orm }: Db, id: string): Promise<DomainRow | null> => {
  const [row] = await orm.select().from(customDomains).where(eq(customDomains.id, id));
  return row ?? null;
};

/**
 * Notes that control of a domain was proved with `token`; null when the domain is gone or has another token by now. From then
 * on it has deadlines and is looked at, as after any other change of its settings.
 */
export const markVerified = ({ orm }: Db, id: string, token: string, clock: Clock): Promise<Saved | null> =>
  orm.transaction(async (tx) => {
    const proved = and(eq(customDomains.id, id), eq(customDomains.verification_token, token));
    const [row] = await tx.select().from(customDomains).where(proved).for('update');
    if (row === undefined) return null;
    const at = new Date(clock.now);
    const columns = patched(row, { verified: true }, clock);
    const [next] = await tx
      .update(customDomains)
      .set({ ...columns, last_verified_at: at, updated_at: at })
      .where(eq(customDomains.id, id))
      .returning();
    return next === undefined ? null : { before: row, domain: next };
  });

/**
 * Removes a domain and what looks at it found. Its history stays: live incidents are resolved with a note, alerts end, and events
 * that were never applied wait, unresolved, for the name to be registered again.
 *
 * @returns the row as it was; null when there is none with this id.
 */
export const deleteDomain = ({ orm }: Db, id: string, actor: string, now: number): Promise<DomainRow | null> =>
  orm.transaction(async (tx) => {
    const [row] = await tx.select().from(customDomains).where(eq(customDomains.id, id)).for('update');
    if (row === undefined) return null;
    const at = new Date(now);
    await tx
      .update(incidents)
      .set({
        status: 'resolved',
        resolved_at: at,
        resolved_by: actor,
        resolve_note: 'The domain was deleted',
        updated_at: at,
      })
      .where(and(eq(incidents.domain, row.domain), ne(incidents.status, 'resolved')));
    await tx
      .update(events)
      .set({ domain_id: null, updated_at: at })
      .where(and(eq(events.domain, row.domain), ne(events.status, 'applied'), isNotNull(events.domain_id)));
    await endAlerts(tx, row, now);
    await tx.delete(domainAddresses).where(eq(domainAddresses.domain_id, id));
    await tx.delete(probeObservations).where(eq(probeObservations.domain_id, id));
    await tx.delete(customDomains).where(eq(customDomains.id, id));
    return row;
  });
