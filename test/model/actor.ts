import { setImmediate as turn } from 'node:timers/promises';
import type { Ctx } from '../../src/context.ts';
import { connectDb, type Db } from '../../src/db/client.ts';
import type { MemoryQueues } from './memory-queues.ts';
import { openStepGate, type StepGate } from './step-gate.ts';
import { Turnstile } from './turnstile.ts';

/** What an actor does: a worker runs a job, a person replays, an operator registers a domain. */
export type Program = (
  ctx: Ctx,
  self: { readonly name: string; readonly pause: (label: string) => Promise<void> },
) => Promise<void>;

/** A process of the product with one connection, whose every visible step waits to be let through. */
export interface Actor {
  readonly name: string;
  readonly turnstile: Turnstile;
  readonly gate: StepGate;
  /** Begins its program. */
  start(program: Program): void;
  /** Nothing of it will ever happen any more: its process is gone. */
  die(): void;
  /** Has ended its program, or is dead. */
  over(): boolean;
  isDead(): boolean;
  /** What its program failed with, beside its death. */
  fault(): unknown;
  close(): Promise<void>;
}

export interface ActorOptions {
  readonly name: string;
  readonly databaseUrl: string;
  readonly queues: () => MemoryQueues;
  readonly ctx: (db: Db, queues: Ctx['queues']) => Ctx;
  readonly visible: (statement: string) => string | null;
}

export const openActor = async ({ name, databaseUrl, queues, ctx, visible }: ActorOptions): Promise<Actor> => {
  const turnstile = new Turnstile();
  const gate = await openStepGate(databaseUrl, turnstile, visible);
  const db = connectDb(gate.url, { max: 1, name });
  const state: { over: boolean; dead: boolean; fault: unknown } = { over: true, dead: false, fault: undefined };
  const pause = async (label: string): Promise<void> => {
    await turnstile.pass(label);
    // A process that is gone does nothing any more.
    if (state.dead) await new Promise(() => undefined);
  };
  const end = (fault?: unknown): void => {
    if (!state.dead) state.fault = fault;
    state.over = true;
    turnstile.stir();
  };
  return {
    name,
    turnstile,
    gate,
    start: (program) => {
      Object.assign(state, { over: false, fault: undefined });
      program(ctx(db, queues().for(pause)), { name, pause }).then(() => end(), end);
    },
    die: () => {
      state.dead = true;
      gate.mute();
      gate.cut();
    },
    over: () => state.over || state.dead,
    isDead: () => state.dead,
    fault: () => state.fault,
    close: async () => {
      state.dead = true;
      gate.cut();
      turnstile.free();
      await turn();
      await db.sql.end({ timeout: 0 });
      await gate.close();
    },
  };
};
