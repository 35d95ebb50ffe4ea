import type { ChainEnd, Checkpoint, ChainReport, ChainRow, ChainTrust } from '../lifecycle/audit-chain.ts';
import { chainCheck, emptyChain } from '../lifecycle/audit-chain.ts';
import type { Db, Sql, Tx } from './client.ts';

const batch = 2000;

interface WalkedRow extends ChainRow {
  readonly c_hash: string | null;
  readonly c_at: string | null;
  readonly c_signature: string | null;
}

const epochText = (column: string): string => `trim_scale(extract(epoch from ${column}) * 1000)::text`;

const rows = `
  select l.seq::text, ${epochText('l.at')} as at, l.actor, l.actor_kind, l.role, l.action, l.object_type, l.object_id, l.org_id,
    l.before::text, l.after::text, l.reason, l.request_id, l.address, encode(l.prev_hash, 'hex') as prev_hash,
    encode(l.hash, 'hex') as hash, encode(c.hash, 'hex') as c_hash, ${epochText('c.at')} as c_at,
    encode(c.signature, 'hex') as c_signature
  from audit_log l left join audit_checkpoints c on c.seq = l.seq where l.seq > $1 order by l.seq`;

const checkpointOf = ({ seq, c_hash: hash, c_at: at, c_signature: signature }: WalkedRow): Checkpoint | null =>
  hash === null ? null : { seq: Number(seq), hash, at: Number(at), signature: signature ?? '' };

const placeOf = (found: readonly { seq: string; hash: string }[]): ChainEnd | null => {
  const [row] = found;
  return row === undefined ? null : { seq: Number(row.seq), hash: row.hash };
};

const headOf = async (sql: Sql | Tx): Promise<ChainEnd | null> =>
  placeOf(await sql`select seq::text, encode(hash, 'hex') as hash from audit_head where id = 1`);

const lostCheckpoint = async (sql: Tx): Promise<ChainEnd | null> =>
  placeOf(
    await sql`
    select seq::text, encode(hash, 'hex') as hash from audit_checkpoints c
    where not exists (select from audit_log l where l.seq = c.seq) order by seq limit 1`,
  );

export interface WalkOptions extends ChainTrust {
  /** Told now and then how many rows were looked at. */
  readonly onProgress?: (rows: number) => void;
  /** A signed place to begin behind, which is known to be right; the beginning of the log otherwise. */
  readonly from?: ChainEnd;
}

/** Checks the audit log as it stands at one moment, row by row, in the memory of one batch. */
export const walkAudit = (
  { sql }: Pick<Db, 'sql'>,
  { onProgress, from = emptyChain, ...trust }: WalkOptions,
): Promise<ChainReport> =>
  sql.begin(async (tx) => {
    await tx`set transaction isolation level repeatable read, read only`;
    const check = chainCheck(trust, from);
    let seen = 0;
    for await (const found of tx.unsafe<WalkedRow[]>(rows, [from.seq]).cursor(batch)) {
      // Ends the cursor: nothing is learned from what follows a broken row.
      if (!found.every((row) => check.add(row, checkpointOf(row)))) break;
      seen += found.length;
      onProgress?.(seen);
    }
    return check.finish(await headOf(tx), await lostCheckpoint(tx));
  });
