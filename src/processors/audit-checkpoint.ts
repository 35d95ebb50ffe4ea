import type { Ctx } from '../context.ts';
import { addCheckpoint, auditHashAt, lastCheckpoints, readAuditHead } from '../db/audit-checkpoints.ts';
import { walkAudit } from '../db/audit-walk.ts';
import { type ChainEnd, type Checkpoint, emptyChain, isSigned, signCheckpoint } from '../lifecycle/audit-chain.ts';
import type { Outcome } from '../queues/catalog.ts';
import { onDatabase } from './on-database.ts';

/** A checkpoint is written this long after the one before it, or after so many rows. */
const everyMs = 60_000;
const everyRows = 1000;

const nothing: Outcome = { kind: 'done' };

/** Why the log must not be signed as it stands; null when all that was signed before is still there. */
const tampered = async (
  { db }: Ctx,
  secrets: readonly string[],
  [latest, before]: readonly Checkpoint[],
  signed: ChainEnd,
): Promise<string | null> => {
  if ((latest?.seq ?? 0) < signed.seq) return `the checkpoint at row ${signed.seq} is gone`;
  if (latest !== undefined && !isSigned(secrets, before?.seq ?? 0, latest))
    return `the checkpoint at row ${latest.seq} is forged, or one before it was removed`;
  for (const { seq, hash } of [signed, ...(latest === undefined ? [] : [latest])])
    if (seq > 0 && (await auditHashAt(db, seq)) !== hash) return `row ${seq} is not the one that was signed`;
  return null;
};

/**
 * Signs where the audit log has come to, and says so in the log of the program, so that a copy is kept where that goes. What was
 * added since the last checkpoint is checked first: a log that was tampered with is never signed.
 */
export const auditCheckpointer = (ctx: Ctx): (() => Promise<Outcome>) => {
  const { db, log } = ctx;
  let signed = emptyChain;
  const broken = (problem: string): Outcome => {
    log.error({ problem }, 'the audit log was tampered with and is not signed: run notafter audit verify');
    return { kind: 'done', note: { problem } };
  };
  const sign = async (secrets: readonly string[], secret: string): Promise<Outcome> => {
    const [head, checkpoints] = [await readAuditHead(db), await lastCheckpoints(db, 2)];
    const [latest] = checkpoints;
    const at = ctx.now();
    const added = (head?.seq ?? 0) - (latest?.seq ?? 0);
    if (added === 0 && signed.seq === (latest?.seq ?? 0)) return nothing;
    if (added > 0 && added < everyRows && latest !== undefined && at - latest.at < everyMs) return nothing;
    const problem = await tampered(ctx, secrets, checkpoints, signed);
    if (problem !== null) return broken(problem);
    const report = await walkAudit(db, { secrets: [], kept: [], now: at, from: latest ?? emptyChain });
    if (report.problem !== null) return broken(report.problem.message);
    signed = latest ?? signed;
    if (report.rows === 0) return nothing;
    const previous = latest?.seq ?? 0;
    const place = { ...report.last, at };
    const checkpoint = { ...place, signature: signCheckpoint(secret, previous, place) };
    if (!(await addCheckpoint(db, previous, checkpoint))) return nothing;
    signed = report.last;
    log.info({ ...checkpoint, previous }, 'audit checkpoint');
    return { kind: 'done', note: { seq: checkpoint.seq } };
  };
  return async () => {
    const secrets = ctx.config.CERT_AUDIT_SIGNING_SECRET ?? [];
    const [secret] = secrets;
    return secret === undefined ? nothing : onDatabase(() => sign(secrets, secret));
  };
};
