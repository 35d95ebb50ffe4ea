import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** What the hash of a row covers, in this order. */
const covered = [
  'seq',
  'at',
  'actor',
  'actor_kind',
  'role',
  'action',
  'object_type',
  'object_id',
  'org_id',
  'before',
  'after',
  'reason',
  'request_id',
  'address',
  'prev_hash',
] as const;

type Covered = Readonly<Record<(typeof covered)[number], string | null>>;

/** A row of the audit log as text: `at` in epoch milliseconds, hashes in hex, JSON as the database writes it. */
export interface ChainRow extends Covered {
  readonly seq: string;
  readonly prev_hash: string;
  readonly hash: string;
}

/** A place in the chain: the number of a row and its hash in hex. */
export interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
}

/** The end of a log without rows. */
export const emptyChain: ChainEnd = { seq: 0, hash: createHash('sha256').digest('hex') };

/** A signed statement of how far the chain went; `at` in epoch milliseconds. */
export interface Checkpoint extends ChainEnd {
  readonly at: number;
  /** Hex. */
  readonly signature: string;
}

/** What is wrong with a log, and at which row. */
export interface ChainProblem {
  readonly kind: 'changed' | 'removed' | 'moved' | 'inserted' | 'rewritten' | 'truncated' | 'head' | 'checkpoint';
  readonly seq: number;
  readonly message: string;
}

const field = (text: string | null): string => (text === null ? '-,' : `${Buffer.byteLength(text)}:${text},`);

/** What is hashed of a row: each field as its length in bytes, a colon and its text, or `-` for null, and a comma after each. */
export const canonicalText = (row: Covered): string => covered.map((name) => field(row[name])).join('');

const hashOf = (row: Covered): string => createHash('sha256').update(canonicalText(row)).digest('hex');

const macOf = (secret: string, previous: number, { seq, hash, at }: Omit<Checkpoint, 'signature'>): Buffer =>
  createHmac('sha256', secret).update(`${previous}:${seq}:${hash}:${at}`).digest();

/** Signs a checkpoint; `previous` is the row of the checkpoint before it, 0 for the first, so that none can be left out. */
export const signCheckpoint = (secret: string, previous: number, place: Omit<Checkpoint, 'signature'>): string =>
  macOf(secret, previous, place).toString('hex');

/** Whether a checkpoint bears the signature of one of the secrets, standing after the one at row `previous`. */
export const isSigned = (secrets: readonly string[], previous: number, checkpoint: Checkpoint): boolean => {
  const claimed = Buffer.from(checkpoint.signature, 'hex');
  return secrets.some((secret) => {
    const mac = macOf(secret, previous, checkpoint);
    return claimed.length === mac.length && timingSafeEqual(claimed, mac);
  });
};

/** What is wrong with a row that should follow `last`; null when it does follow. */
const rowProblem = (last: ChainEnd, row: ChainRow): ChainProblem | null => {
  const seq = Number(row.seq);
  const expected = last.seq + 1;
  if (seq < expected)
    return { kind: 'inserted', seq, message: `row ${row.seq} comes after row ${last.seq}: it was inserted` };
  if (seq > expected) {
    const gone = seq === expected + 1 ? `row ${expected} is` : `rows ${expected} to ${seq - 1} are`;
    return { kind: 'removed', seq: expected, message: `${gone} missing` };
  }
  const follows = row.prev_hash === last.hash;
  const isWhole = hashOf(row) === row.hash;
  if (follows && isWhole) return null;
  if (follows || hashOf({ ...row, prev_hash: last.hash }) === row.hash)
    return { kind: 'changed', seq, message: `row ${seq} was changed: its fields do not give its hash` };
  if (isWhole && seq > 1)
    return {
      kind: 'rewritten',
      seq: last.seq,
      message: `row ${last.seq} is not the one that row ${seq} follows: it was inserted or written anew`,
    };
  return { kind: 'moved', seq, message: `row ${seq} is not the one that stood there: it was changed or moved` };
};

const checkpointProblem = (seq: number, message: string): ChainProblem => ({ kind: 'checkpoint', seq, message });

const headProblem = (last: ChainEnd, head: ChainEnd | null): ChainProblem | null => {
  if (head === null) return { kind: 'head', seq: last.seq, message: 'the end of the chain is not on record' };
  if (head.seq > last.seq) {
    const message = `the log ends at row ${last.seq} and had ${head.seq}: rows were cut off its end`;
    return { kind: 'truncated', seq: last.seq + 1, message };
  }
  if (head.seq < last.seq) {
    const message = `the chain ended at row ${head.seq}: what follows it was inserted, or its end on record was moved back`;
    return { kind: 'inserted', seq: head.seq + 1, message };
  }
  if (head.hash === last.hash) return null;
  return { kind: 'head', seq: last.seq, message: `the end on record has another hash than row ${last.seq}` };
};

/** Rows that wait longer for a checkpoint are a sign that checkpoints were removed, or that nobody signs (ms). */
const unsignedMs = 15 * 60_000;

/** What a walk compares with. */
export interface ChainTrust {
  /** Of checkpoints, any of them fits; none: signatures are not checked. */
  readonly secrets: readonly string[];
  /** Checkpoints that were kept elsewhere. */
  readonly kept: readonly ChainEnd[];
  /** Epoch ms. */
  readonly now: number;
}

/** How far a walk came, and what it found. */
export interface ChainReport {
  readonly ok: boolean;
  readonly rows: number;
  readonly last: ChainEnd;
  readonly checkpoints: number;
  /** Whether signatures were checked. */
  readonly signed: boolean;
  /** The first that was found. */
  readonly problem: ChainProblem | null;
}

const cutOff = (seq: number, last: ChainEnd): ChainProblem => {
  const message = `a checkpoint stands at row ${seq} and the log ends at row ${last.seq}: rows were cut off its end`;
  return { kind: 'truncated', seq: last.seq + 1, message };
};

const otherHash = (seq: number, checkpoint: string): ChainProblem => {
  const message = `row ${seq} has another hash than ${checkpoint}: the chain was written anew`;
  return { kind: 'rewritten', seq, message };
};

/** Checkpoints of the log in their order. */
const signedChecks = (secrets: readonly string[], begin: number) => {
  let previous = begin;
  let count = 0;
  let unsigned: { seq: number; at: number } | null = null;
  return {
    count: () => count,
    check: (checkpoint: Checkpoint, last: ChainEnd): ChainProblem | null => {
      const { seq } = checkpoint;
      const signed = secrets.length === 0 || isSigned(secrets, previous, checkpoint);
      count += 1;
      previous = seq;
      unsigned = null;
      if (!signed)
        return checkpointProblem(seq, `the checkpoint at row ${seq} is forged, or one before it was removed`);
      return checkpoint.hash === last.hash ? null : otherHash(seq, 'its signed checkpoint');
    },
    pass: ({ seq, at }: ChainRow): void => {
      unsigned ??= { seq: Number(seq), at: Number(at) };
    },
    late: (now: number): ChainProblem | null => {
      if (secrets.length === 0 || unsigned === null || now - unsigned.at <= unsignedMs) return null;
      const message = `no checkpoint stands at row ${unsigned.seq} or after it: checkpoints were removed, or no worker signs them`;
      return checkpointProblem(unsigned.seq, message);
    },
  };
};

/**
 * Checks a log row by row, by its own arithmetic and not the database's. Give it every row in order with the checkpoint
 * that stands at it, until `add` answers false, and then the end on record to `finish`.
 *
 * @param from a signed place to begin behind, which is known to be right
 */
export const chainCheck = ({ secrets, kept, now }: ChainTrust, from: ChainEnd = emptyChain) => {
  let last = from;
  const problems: ChainProblem[] = [];
  const signed = signedChecks(secrets, from.seq);
  const outside = new Map(kept.map((one) => [one.seq, one.hash]));
  const found = (problem: ChainProblem | null): boolean => {
    if (problem !== null) problems.push(problem);
    return problem === null;
  };
  const keptProblem = (): ChainProblem | null => {
    const hash = outside.get(last.seq);
    outside.delete(last.seq);
    return hash === undefined || hash === last.hash ? null : otherHash(last.seq, 'the checkpoint that was kept');
  };
  found(keptProblem());
  return {
    /** @returns false once something is wrong: what comes after says nothing any more. */
    add: (row: ChainRow, checkpoint: Checkpoint | null): boolean => {
      if (!found(rowProblem(last, row))) return false;
      last = { seq: last.seq + 1, hash: row.hash };
      if (!found(keptProblem())) return false;
      if (checkpoint !== null) return found(signed.check(checkpoint, last));
      signed.pass(row);
      return true;
    },
    /** `lost` is a checkpoint at a row that is not there. */
    finish: (head: ChainEnd | null, lost: ChainEnd | null): ChainReport => {
      const beyond = lost?.seq ?? [...outside.keys()][0];
      if (problems.length === 0 && beyond !== undefined) found(cutOff(beyond, last));
      if (problems.length === 0) found(headProblem(last, head));
      if (problems.length === 0) found(signed.late(now));
      return {
        ok: problems.length === 0,
        rows: last.seq - from.seq,
        last,
        checkpoints: signed.count(),
        signed: secrets.length > 0,
        problem: problems[0] ?? null,
      };
    },
  };
};
