import * as v from 'valibot';

const ids = v.pipe(v.array(v.pipe(v.string(), v.uuid())), v.minLength(1));
const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const nothing = v.object({});

/** How often receivers that forget alerts are told again what fires. */
export const refreshAlertsMs = 60_000;

interface JobKind {
  /** What the job carries: ids only, never content. */
  readonly payload: v.GenericSchema;
  /** Milliseconds between runs, for a job that runs by the clock; what `openQueues` is given for it goes before. */
  readonly everyMs?: number;
}

type Catalog = Record<string, Record<string, JobKind>>;

/** Every queue and every job in it; names, payload checks, workers and schedules follow from here. */
export const catalog = {
  'cert-events': {
    'apply-group': { payload: v.object({ ids }) },
    'apply-opened': { payload: v.object({ ids, generation: whole }) },
    'apply-event': {
      payload: v.object({
        id: v.pipe(v.string(), v.uuid()),
        generation: whole,
        tries: whole,
        dead: v.optional(v.boolean(), false),
      }),
    },
    canary: { payload: nothing },
  },
  probes: {
    'probe-domains': { payload: v.object({ ids, asked: v.optional(v.boolean(), false) }) },
    canary: { payload: nothing },
  },
  notifications: {
    deliver: { payload: v.object({ channel: v.pipe(v.string(), v.minLength(1)) }) },
    'deliver-due': { payload: nothing, everyMs: 5000 },
    'refresh-alerts': { payload: nothing, everyMs: refreshAlertsMs },
    canary: { payload: nothing },
  },
  maintenance: {
    'settle-domains': { payload: nothing, everyMs: 15_000 },
    'compact-counts': { payload: nothing, everyMs: 15_000 },
    'probe-sweep': { payload: nothing, everyMs: 15_000 },
    'ari-refresh': { payload: nothing, everyMs: 60_000 },
    'dlq-policy': { payload: nothing, everyMs: 60_000 },
    'self-watch': { payload: nothing, everyMs: 60_000 },
    'audit-checkpoint': { payload: nothing, everyMs: 15_000 },
    'count-expiry': { payload: nothing, everyMs: 60_000 },
    'replay-run': { payload: nothing, everyMs: 5000 },
    retention: { payload: nothing, everyMs: 15_000 },
    canary: { payload: nothing },
  },
} as const satisfies Catalog;

export type QueueName = keyof typeof catalog;
export type JobName = { [Q in QueueName]: Exclude<keyof (typeof catalog)[Q], 'canary'> }[QueueName];
type Kinds = (typeof catalog)['cert-events'] &
  (typeof catalog)['probes'] &
  (typeof catalog)['notifications'] &
  (typeof catalog)['maintenance'];
export type Payload<N extends JobName> = v.InferOutput<Kinds[N]['payload']>;

// Object.keys of a literal of fixed keys: exactly the queue names.
export const queueNames = Object.keys(catalog) as QueueName[];

/** The jobs of a queue by name. */
export const jobsOf = (queue: QueueName): ReadonlyMap<string, JobKind> => new Map(Object.entries(catalog[queue]));

/** How a run of a job ended, when it did not end by a fault of our own infrastructure (that is thrown instead). */
export type Outcome =
  | { readonly kind: 'done'; readonly note?: Record<string, unknown> }
  /** Try again after the contract's backoff; `tries` counts this one. */
  | { readonly kind: 'retry'; readonly error: string; readonly tries: number }
  /** Give up: the job ends in the failed set. */
  | { readonly kind: 'dead'; readonly error: string };

export interface JobMeta {
  /** Failed runs of this job before this one, as the queue counts them. */
  readonly failedBefore: number;
}

/** One handler per job; built by `processors/index.ts`, handed to the workers. */
export type Handlers = { readonly [N in JobName]: (payload: Payload<N>, meta: JobMeta) => Promise<Outcome> };
