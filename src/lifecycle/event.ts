import { hash } from 'node:crypto';
import * as v from 'valibot';
import { AppError } from '../errors.ts';
import { canonicalJson } from './canonical-json.ts';
import { normalizeDomain } from './domain-name.ts';
import { parseTime } from './time.ts';
import { callbackActions, callbackClasses, eventTypes } from './types.ts';
import type { CallbackAction, CallbackClass, EventType } from './types.ts';

const futureLimitMs = 5 * 60_000;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const text = (min: number, max: number) =>
  v.pipe(
    v.string('must be a string'),
    v.minLength(min, `must have at least ${min} characters`),
    v.maxLength(max, `must have at most ${max} characters`),
  );

/** A name that is compared: blanks around it do not count. */
const identity = (min: number, max: number) => v.pipe(v.string('must be a string'), v.trim(), text(min, max));

/** Free text; hooks send an empty string for what they do not know, which is the same as leaving it out. */
const note = (max: number) =>
  v.pipe(
    text(0, max),
    v.transform((value) => (value === '' ? undefined : value)),
  );

const instant = v.optional(
  v.nullable(
    v.pipe(
      v.union([v.string(), v.number()], 'must be an RFC 3339 time or epoch milliseconds'),
      v.rawTransform(({ dataset, addIssue, NEVER }) => {
        const epoch = parseTime(dataset.value);
        if (epoch !== null) return epoch;
        addIssue({ message: 'must be an RFC 3339 time or epoch milliseconds' });
        return NEVER;
      }),
      v.metadata({ description: 'RFC 3339 time, or epoch milliseconds as an integer' }),
    ),
  ),
  null,
);

const host = v.pipe(
  v.string('must be a string'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const name = normalizeDomain(dataset.value);
    if (name !== null) return name;
    addIssue({ message: 'must be a host name' });
    return NEVER;
  }),
);

/** The body of `POST /v1/domains/cert-events` (contract 1). Unknown keys are ignored. */
export const eventBody = v.object({
  source: v.optional(identity(2, 80)),
  clusterId: v.optional(identity(2, 120)),
  sourceEventId: v.optional(text(3, 200)),
  domainId: v.optional(v.pipe(v.string('must be a string'), v.uuid('must be a UUID'), v.toLowerCase())),
  domain: v.optional(host),
  eventType: v.optional(v.picklist(eventTypes, `must be one of ${eventTypes.join(', ')}`)),
  callbackClass: v.optional(v.picklist(callbackClasses, `must be one of ${callbackClasses.join(', ')}`)),
  callbackAction: v.optional(v.picklist(callbackActions, `must be one of ${callbackActions.join(', ')}`)),
  callbackAttempt: v.optional(
    v.pipe(
      v.number('must be an integer from 1 to 100'),
      v.integer('must be an integer from 1 to 100'),
      v.minValue(1, 'must be an integer from 1 to 100'),
      v.maxValue(100, 'must be an integer from 1 to 100'),
    ),
  ),
  callbackReceivedAt: instant,
  notBefore: instant,
  notAfter: instant,
  renewalDueAt: instant,
  occurredAt: instant,
  certificateRef: v.optional(note(255)),
  reason: v.optional(note(4000)),
  payload: v.optional(v.custom<Record<string, unknown>>(isObject, 'must be an object')),
});

export type EventBody = v.InferOutput<typeof eventBody>;

/** The type a callback pair stands for; null when it stands for none (contract 1). */
export const mapCallback = (cls: CallbackClass, action: CallbackAction): EventType | null => {
  if (action !== 'succeeded' && action !== 'failed') return null;
  const failed = action === 'failed';
  switch (cls) {
    case 'issuance':
      return failed ? 'issuance_failed' : 'issuance_succeeded';
    case 'renewal':
    case 'deployment':
      return failed ? 'renewal_failed' : 'renewal_succeeded';
    case 'challenge':
      return failed ? 'issuance_failed' : null;
  }
};

const resolveType = ({ callbackClass, callbackAction, eventType }: EventBody): EventType => {
  if ((callbackClass === undefined) !== (callbackAction === undefined)) {
    throw new AppError('bad_request', 'callbackClass and callbackAction must be provided together');
  }
  const mapped = callbackClass && callbackAction ? mapCallback(callbackClass, callbackAction) : null;
  if (mapped !== null && eventType !== undefined && mapped !== eventType) {
    throw new AppError('bad_request', `callbackClass/callbackAction map to ${mapped} but eventType is ${eventType}`);
  }
  const type = mapped ?? eventType;
  if (type === undefined) {
    throw new AppError(
      'bad_request',
      'Unable to resolve eventType from payload; provide eventType or callbackClass/callbackAction mapping',
    );
  }
  return type;
};

/** An event that passed every rule of the body; what `contentHash` covers is what makes two events "the same". */
export interface ParsedEvent extends Omit<EventBody, 'eventType' | 'source'> {
  readonly source: string | undefined;
  readonly eventType: EventType;
  readonly happenedAt: number;
  /** SHA-256 as 64 hex digits. */
  readonly contentHash: string;
}

// Object.keys of the schema's own entries: exactly the fields of the body.
const plainFields = (Object.keys(eventBody.entries) as (keyof EventBody)[]).filter(
  (name) => name !== 'payload' && name !== 'eventType',
);

/** Covers every field in one fixed order, so that neither the order nor the spacing of the JSON counts. */
const hashOf = (body: EventBody, eventType: EventType): string => {
  const { payload } = body;
  const values = JSON.stringify([eventType, plainFields.map((name) => body[name] ?? null)]);
  return hash('sha256', payload === undefined ? values : values + canonicalJson(payload));
};

/**
 * Checks a decoded JSON body against the contract and resolves its type.
 *
 * @param receivedAt epoch ms; stands in for `occurredAt` where the source gave no time.
 * @throws AppError `bad_request` that names the field and the rule, never the value.
 */
export const parseEvent = (json: unknown, receivedAt: number): ParsedEvent => {
  if (!isObject(json)) throw new AppError('bad_request', 'The body must be a JSON object');
  const result = v.safeParse(eventBody, json, { abortPipeEarly: true });
  if (!result.success) {
    const problems = result.issues.slice(0, 5).map((issue) => `${v.getDotPath(issue) ?? 'body'} ${issue.message}`);
    throw new AppError('bad_request', problems.join('; '));
  }
  const body = result.output;
  const eventType = resolveType(body);
  const happenedAt = body.occurredAt ?? body.callbackReceivedAt ?? receivedAt;
  if (happenedAt > receivedAt + futureLimitMs) {
    throw new AppError('bad_request', 'occurredAt must not lie more than 5 minutes in the future');
  }
  const contentHash = hashOf(body, eventType);
  return { ...body, source: body.source, eventType, happenedAt, contentHash };
};
