import { deliver } from './deliver.ts';
import type { Delivery, DeliveryReport } from './deliver.ts';
import type { OutgoingEvent } from './event.ts';
import { withLock } from './lock.ts';
import { sendEvent } from './send.ts';
import type { Sender } from './send.ts';
import { MemoryStore, Spool } from './spool.ts';
import type { SpooledEvent } from './spool.ts';

/** Waits no longer than this for another run, which then delivers for both. */
const lockWaitMs = 10_000;

/** One run: what to report, and how to reach the server. `sleep` takes milliseconds. */
export interface EmitRun {
  readonly sender: Sender;
  readonly events: readonly OutgoingEvent[];
  readonly spoolDirectory: string;
  readonly sleep: (ms: number) => Promise<void>;
  /** Ends the run after so many milliseconds; what is left stays spooled. */
  readonly budgetMs?: number;
  readonly retryDelaysMs?: readonly number[];
}

/** What a run came to: its own events first, then older ones that waited in the spool. */
export interface EmitReport extends DeliveryReport {
  /** How many of `deliveries`, from the start, are this run's own events, in the order given. */
  readonly own: number;
  /** Why the spool could not be used; events that were not taken are lost then. */
  readonly spoolProblem: string | undefined;
}

/** Stores the events, then delivers everything that waits, oldest first. The events are on disk before the first is sent. */
export const emitEvents = async (run: EmitRun): Promise<EmitReport> => {
  const { store, kept, spoolProblem } = keep(run);
  const { now } = run.sender;
  const deadline = now() + (run.budgetMs ?? Infinity);
  const work = () =>
    deliver({
      store,
      target: run.sender.target,
      send: (body) => sendEvent(run.sender, body),
      sleep: run.sleep,
      outOfTime: () => now() > deadline,
      ...(run.retryDelaysMs === undefined ? {} : { retryDelaysMs: run.retryDelaysMs }),
    });
  const report =
    store instanceof Spool
      ? await withLock(store.directory, { now, sleep: run.sleep, waitMs: lockWaitMs }, work)
      : await work();
  return { ...arrange(run.events, kept, report, spoolProblem !== undefined), own: run.events.length, spoolProblem };
};

const keep = (run: EmitRun): { store: Spool | MemoryStore; kept: SpooledEvent[]; spoolProblem: string | undefined } => {
  const now = run.sender.now();
  try {
    const store = new Spool(run.spoolDirectory);
    return { store, kept: run.events.map((event) => store.put(event, now)), spoolProblem: undefined };
  } catch (error) {
    const store = new MemoryStore();
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
    return {
      store,
      kept: run.events.map((event) => store.put(event)),
      spoolProblem: `The spool cannot be written${code}.`,
    };
  }
};

/** Puts this run's own events first, and says of each what became of it even where another run took it over. */
const arrange = (
  events: readonly OutgoingEvent[],
  kept: readonly SpooledEvent[],
  report: DeliveryReport | undefined,
  inMemory: boolean,
): DeliveryReport => {
  const byName = new Map(report?.deliveries.map((delivery) => [delivery.name, delivery]));
  const own = events.map(({ sourceEventId, domain, eventType }, index): Delivery => {
    const name = kept[index]?.name ?? '';
    const delivery = byName.get(name);
    byName.delete(name);
    if (delivery?.outcome === 'spooled' && inMemory) return { ...delivery, outcome: 'lost' };
    const said = { name, sourceEventId, domain, eventType };
    return (
      delivery ?? { ...said, outcome: report === undefined ? 'spooled' : 'taken', message: 'another run is delivering' }
    );
  });
  return { deliveries: [...own, ...byName.values()], refusal: report?.refusal };
};

/** 0 everything is with the server, 1 something was rejected, refused or lost, 3 something waits in the spool. */
export const exitCodeOf = ({ deliveries, refusal }: DeliveryReport): 0 | 1 | 3 => {
  if (refusal !== undefined || deliveries.some(({ outcome }) => outcome === 'rejected' || outcome === 'lost')) return 1;
  return deliveries.some(({ outcome }) => outcome === 'spooled') ? 3 : 0;
};
