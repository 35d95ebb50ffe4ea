import * as v from 'valibot';
import { auditActions } from '../lifecycle/audit.ts';
import { filterText, queryTime } from './filters.ts';

/** Filters of the audit log as query parameters. */
export const auditFilters = {
  actor: v.optional(filterText(200)),
  action: v.optional(v.picklist(auditActions, 'must be an action of the audit log')),
  objectType: v.optional(filterText(80)),
  objectId: v.optional(filterText(300)),
  orgId: v.optional(filterText(200)),
  requestId: v.optional(filterText(255)),
  since: v.optional(queryTime),
  until: v.optional(queryTime),
};
