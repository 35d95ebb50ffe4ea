import * as v from 'valibot';
import type { ReplayFilter } from '../lifecycle/replay.ts';
import { defaultRate, highestRate } from '../lifecycle/replay.ts';
import { errorClasses, eventTypes } from '../lifecycle/types.ts';
import { bodyTime, filterText, queryDomain, queryTime, remark } from './filters.ts';
import { queryLimit } from './input.ts';

const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.join(', ')}`);

const whole = (max: number) => {
  const rule = `must be a whole number from 1 to ${max}`;
  return v.pipe(v.number(rule), v.integer(rule), v.minValue(1, rule), v.maxValue(max, rule));
};

const flag = (fallback: boolean) => v.optional(v.boolean('must be true or false'), fallback);

/** The digest that a group of dead letters is known by. */
const fingerprint = v.pipe(
  v.string('must be a string'),
  v.regex(/^[\da-f]{16}$/, 'must be the fingerprint of a group, 16 hex digits'),
);

const common = {
  source: v.optional(filterText(80)),
  clusterId: v.optional(filterText(120)),
  orgId: v.optional(filterText(200)),
  domain: v.optional(queryDomain),
  eventType: v.optional(oneOf(eventTypes)),
  errorClass: v.optional(oneOf(errorClasses)),
  fingerprint: v.optional(fingerprint),
};

const ids = v.pipe(
  v.array(v.pipe(v.string(), v.uuid('must be a UUID')), 'must be a list of ids'),
  v.minLength(1, 'must not be empty'),
  v.maxLength(1000, 'must have at most 1000 ids'),
);

/** Filters of dead letters in a query. */
export const groupsQuery = {
  ...common,
  since: v.optional(queryTime),
  until: v.optional(queryTime),
  limit: queryLimit(500, 100),
  cursor: v.optional(filterText(200)),
};

const filterBody = {
  status: v.optional(oneOf(['failed', 'applied']), 'failed'),
  ids: v.optional(ids),
  ...common,
  since: v.optional(bodyTime),
  until: v.optional(bodyTime),
};

/** How events are replayed, in a body. */
const mannerBody = { force: flag(false), resetRetry: flag(true), reason: remark };

export const planBody = { ...filterBody, ...mannerBody, ratePerSecond: v.optional(whole(highestRate), defaultRate) };

export const bulkBody = { ...planBody, limit: v.optional(whole(1000)), all: flag(false), dryRun: flag(false) };

export const executeBody = { ratePerSecond: v.optional(whole(highestRate)), reason: remark };

type Plan = v.InferOutput<v.StrictObjectSchema<typeof planBody, undefined>>;

/** The filter of a checked body, without what was left out. */
export const filterOf = (body: Plan, orgId: string | undefined): ReplayFilter => {
  const {
    status,
    ids: named,
    source,
    clusterId,
    domain,
    eventType,
    errorClass,
    fingerprint: group,
    since,
    until,
  } = body;
  const given = {
    ids: named,
    source,
    clusterId,
    orgId,
    domain,
    eventType,
    errorClass,
    fingerprint: group,
    since,
    until,
  };
  return { status, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
};
