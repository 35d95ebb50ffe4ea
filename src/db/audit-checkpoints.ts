import type { ChainEnd, Checkpoint } from '../lifecycle/audit-chain.ts';
import type { Db } from './client.ts';

interface CheckpointRow {
  readonly seq: number;
  readonly hash: string;
  readonly at: number;
  readonly signature: string;
}

/** Where the chain ends; null when its record is gone. */
export const readAuditHead = async ({ sql }: Pick<Db, 'sql'>): Promise<ChainEnd | null> => {
  const [row] = await sql<{ seq: number; hash: string }[]>`
    select seq::float8 as seq, encode(hash, 'hex') as hash from audit_head where id = 1`;
  return row ?? null;
};

/** The hash, in hex, of a row; null when it is not there. */
export const auditHashAt = async ({ sql }: Pick<Db, 'sql'>, seq: number): Promise<string | null> => {
  const [row] = await sql<{ hash: string }[]>`select encode(hash, 'hex') as hash from audit_log where seq = ${seq}`;
  return row?.hash ?? null;
};

/** The last checkpoints, newest first. */
export const lastCheckpoints = async ({ sql }: Pick<Db, 'sql'>, limit: number): Promise<readonly Checkpoint[]> =>
  sql<CheckpointRow[]>`
    select seq::float8 as seq, encode(hash, 'hex') as hash, (extract(epoch from at) * 1000)::float8 as at,
      encode(signature, 'hex') as signature
    from audit_checkpoints order by seq desc limit ${limit}`;

/**
 * Adds a checkpoint after the one at row `previous` (0: none).
 *
 * @returns false when another process signed meanwhile; this one's signature would not fit in.
 */
export const addCheckpoint = (
  { sql }: Pick<Db, 'sql'>,
  previous: number,
  { seq, hash, at, signature }: Checkpoint,
): Promise<boolean> =>
  sql.begin(async (tx) => {
    await tx`select pg_advisory_xact_lock(hashtext('audit_checkpoints'))`;
    const added = await tx`
      insert into audit_checkpoints (seq, hash, at, signature)
      select ${seq}, decode(${hash}, 'hex'), to_timestamp(${at} / 1000.0), decode(${signature}, 'hex')
      where coalesce((select max(seq) from audit_checkpoints), 0) = ${previous}`;
    return added.count === 1;
  });

/** For the gauges: when the log was last signed (epoch ms, 0 for never) and how many rows came since. */
export const readSigning = async ({ sql }: Pick<Db, 'sql'>): Promise<{ signedAt: number; unsigned: number }> => {
  const [row] = await sql<{ signedAt: number; unsigned: number }[]>`
    select coalesce(extract(epoch from c.at) * 1000, 0)::float8 as "signedAt", (h.seq - coalesce(c.seq, 0))::float8 as unsigned
    from audit_head h left join lateral (select seq, at from audit_checkpoints order by seq desc limit 1) c on true
    where h.id = 1`;
  return row ?? { signedAt: 0, unsigned: 0 };
};
