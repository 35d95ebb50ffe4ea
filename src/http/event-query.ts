import * as v from 'valibot';
import { errorClasses, eventStatuses, eventTypes } from '../lifecycle/types.ts';
import { filterText, queryDomain, queryTime } from './filters.ts';
import { queryFlag } from './input.ts';

const oneOf = <const T extends readonly string[]>(values: T) =>
  v.optional(v.picklist(values, `must be one of ${values.join(', ')}`));

/** Filters of the ledger in a query (contract 4). */
export const eventFilters = {
  status: oneOf(eventStatuses),
  source: v.optional(filterText(80)),
  clusterId: v.optional(filterText(120)),
  orgId: v.optional(filterText(200)),
  domain: v.optional(queryDomain),
  eventType: oneOf(eventTypes),
  errorClass: oneOf(errorClasses),
  unresolved: v.optional(queryFlag),
  since: v.optional(queryTime),
  until: v.optional(queryTime),
};
