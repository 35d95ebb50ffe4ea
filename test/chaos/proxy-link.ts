import { connect, type Socket } from 'node:net';
import type { AnswerWatch } from './proxy-watch.ts';

export type Direction = 'to-server' | 'to-client';

/** What a connection is told to do with the bytes of one direction. */
export interface FlowRule {
  /** Nothing passes, nor is anybody told of an end. */
  readonly stopped: boolean;
  /** Delay of the next chunk in ms; 0 passes it at once. */
  readonly delayMs: () => number;
}

export interface Link {
  /** Looks at the rules again. */
  update(): void;
  /** Resets both sides. */
  reset(): void;
  /** Stays silent for good, whatever the rules say from now on. */
  strand(): void;
  /** Resets the connection once so many further bytes of the server's answers have passed. */
  cutAfter(bytes: number): void;
}

export interface LinkOptions {
  readonly client: Socket;
  readonly target: { readonly host: string; readonly port: number };
  readonly rule: (direction: Direction) => FlowRule;
  readonly watch: AnswerWatch;
  readonly onEnd: () => void;
}

interface Flow {
  /** Reads or pauses, as the rule and the other side's buffer have it; passes an end that was held back. */
  update(): void;
}

const highWater = 1024 * 1024;

/** Passes one direction on, in order, each chunk after its delay; `see` gives what is left of a chunk to be passed. */
const flowOf = (
  from: Socket,
  to: Socket,
  rule: () => FlowRule,
  see: (chunk: Buffer) => Buffer | null,
  onFault: () => void,
): Flow => {
  let held = 0;
  let freeAt = 0;
  let fault = false;
  const settle = (): void => {
    const { stopped } = rule();
    if (stopped || held > highWater || to.writableNeedDrain) from.pause();
    else from.resume();
    if (fault && !stopped && held === 0) onFault();
  };
  // One timer for all: those of their own would not keep to the order of what they pass.
  const queue: { at: number; size: number; pass: () => void }[] = [];
  const passDue = (): void => {
    const now = performance.now();
    for (let next = queue[0]; next !== undefined && next.at <= now; next = queue[0]) {
      queue.shift();
      held -= next.size;
      next.pass();
    }
    const [first] = queue;
    if (first !== undefined) setTimeout(passDue, first.at - now);
    settle();
  };
  const later = (size: number, pass: () => void): void => {
    const now = performance.now();
    freeAt = Math.max(freeAt, now + rule().delayMs());
    if (freeAt <= now && queue.length === 0) {
      pass();
      return;
    }
    held += size;
    queue.push({ at: freeAt, size, pass });
    if (queue.length === 1) setTimeout(passDue, freeAt - now);
  };
  from.on('data', (chunk: Buffer) => {
    const rest = see(chunk);
    if (rest === null) return;
    later(rest.length, () => void (to.writable && to.write(rest)));
    settle();
  });
  from.on('end', () => later(1, () => to.end()));
  from.on('error', () => {
    fault = true;
    settle();
  });
  to.on('drain', settle);
  return { update: settle };
};

/** Joins a client that has connected with the server, by the rules that hold at each moment. */
export const openLink = ({ client, target, rule, watch, onEnd }: LinkOptions): Link => {
  const server: Socket = connect({ ...target, allowHalfOpen: true, autoSelectFamily: false, noDelay: true });
  let stranded = false;
  let left = Number.POSITIVE_INFINITY;
  let closed = 0;
  const silent: FlowRule = { stopped: true, delayMs: () => 0 };
  const reset = (): void => {
    for (const socket of [client, server]) {
      socket.resetAndDestroy();
      socket.destroy();
    }
  };
  const toServer = (chunk: Buffer): Buffer => {
    watch.sent(chunk);
    return chunk;
  };
  const toClient = (chunk: Buffer): Buffer | null => {
    const verdict = watch.answered(chunk);
    if (verdict === 'reset') reset();
    if (verdict !== 'pass') return null;
    left -= chunk.length;
    if (left > 0) return chunk;
    client.write(chunk.subarray(0, chunk.length + left), reset);
    return null;
  };
  const ruleOf = (direction: Direction) => () => (stranded ? silent : rule(direction));
  const flows = [
    flowOf(client, server, ruleOf('to-server'), toServer, reset),
    flowOf(server, client, ruleOf('to-client'), toClient, reset),
  ];
  for (const socket of [client, server]) {
    socket.once('close', () => {
      closed += 1;
      if (closed === 2) onEnd();
    });
  }
  const update = (): void => {
    for (const flow of flows) flow.update();
  };
  update();
  return {
    update,
    reset,
    strand: () => {
      stranded = true;
      update();
    },
    cutAfter: (bytes) => {
      left = bytes;
    },
  };
};
