import type { LockedDomain } from '../lifecycle/decide.ts';
import type { RenewalDue } from '../lifecycle/view.ts';
import type { Db, Tx } from './client.ts';
import { ms } from './epoch.ts';
import { lockedColumns, lockedDomain, type LockedRow } from './locked-domain.ts';

/** A certificate to ask the CA about. */
export interface AriQuestion {
  readonly id: string;
  readonly directory: string;
  /** Null until a full handshake has shown the certificate. */
  readonly ariId: string | null;
}

/** Takes domains whose CA is to be asked, the longest due first, and lends them out for `leaseMs`. */
export const claimAriDue = (
  { sql }: Db,
  { now, leaseMs, limit }: { readonly now: number; readonly leaseMs: number; readonly limit: number },
): Promise<AriQuestion[]> => sql<AriQuestion[]>`
  with due as (
    select c.domain_id from domain_clocks c where c.ari_due_at <= to_timestamp(${now} / 1000.0)
    order by c.ari_due_at limit ${limit} for update skip locked)
  update domain_clocks c set ari_due_at = to_timestamp(${now + leaseMs} / 1000.0)
  from due join custom_domains d on d.id = due.domain_id
  where c.domain_id = due.domain_id and d.ca_directory is not null
  returning d.id, d.ca_directory as directory, d.ari_id as "ariId"`;

export interface AriDomain extends LockedDomain {
  readonly directory: string | null;
  readonly ariId: string | null;
  /** What the domain's row knows that certificate by. */
  readonly ariRef: string | null;
  /** When the row has its renewal due, epoch ms. */
  readonly currentDueAt: number | null;
}

/** Locks domains in id order, with what is known of their certificates' names at the CA. */
export const lockAri = async (tx: Tx, ids: readonly string[]): Promise<AriDomain[]> => {
  const rows = await tx<(LockedRow & Omit<AriDomain, keyof LockedDomain>)[]>`
    select ${lockedColumns(tx)}, d.ca_directory as directory, d.ari_id as "ariId", d.ari_certificate_ref as "ariRef",
      ${ms(tx, 'd.renewal_due_at')} as "currentDueAt"
    from custom_domains d where d.id = any(${[...ids]}::uuid[])
    order by d.id for update of d`;
  return rows.map((row) => {
    const { directory, ariId, ariRef, currentDueAt } = row;
    return { ...lockedDomain(row), directory, ariId, ariRef, currentDueAt };
  });
};

export interface AriWrite {
  readonly id: string;
  /** End of the window the CA suggests; null leaves the one before. */
  readonly windowEnd: number | null;
  readonly renewalDue: RenewalDue | null;
  readonly ariDueAt: number;
  readonly lookDueAt: number | null;
}

export const saveAri = async (tx: Tx, writes: readonly AriWrite[], now: number): Promise<void> => {
  if (writes.length === 0) return;
  await tx`
    update custom_domains d set
      ari_window_end = coalesce(to_timestamp(u.window_end / 1000), d.ari_window_end), ari_due_at = to_timestamp(u.ari_due_at / 1000),
      renewal_due_at = to_timestamp(u.due_at / 1000), renewal_due_source = u.due_source,
      look_due_at = to_timestamp(u.look_due_at / 1000), updated_at = to_timestamp(${now} / 1000.0)
    from unnest(
      ${writes.map(({ id }) => id)}::uuid[], ${writes.map(({ windowEnd }) => windowEnd)}::float8[],
      ${writes.map(({ ariDueAt }) => ariDueAt)}::float8[], ${writes.map(({ renewalDue }) => renewalDue?.at ?? null)}::float8[],
      ${writes.map(({ renewalDue }) => renewalDue?.source ?? null)}::text[], ${writes.map(({ lookDueAt }) => lookDueAt)}::float8[]
    ) as u(id, window_end, ari_due_at, due_at, due_source, look_due_at)
    where d.id = u.id`;
};
