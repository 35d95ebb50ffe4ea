import { type Command, InvalidArgumentError, Option } from 'commander';
import { parseTime } from '../lifecycle/time.ts';
import { errorClasses, eventStatuses, eventTypes } from '../lifecycle/types.ts';

/** Filters of the ledger as commander hands them over; names as the API has them. */
export interface EventFilterOptions {
  readonly status?: string;
  readonly source?: string;
  readonly clusterId?: string;
  readonly orgId?: string;
  readonly domain?: string;
  readonly eventType?: string;
  readonly errorClass?: string;
  readonly unresolved?: boolean;
  readonly since?: string;
  readonly until?: string;
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** A point in time as an option gives it: RFC 3339, epoch milliseconds, or how long ago, as `90m`, `24h` or `7d`. */
export const when = (text: string): string => {
  const epoch = parseTime(/^\d+$/.test(text) ? Number(text) : text);
  if (epoch !== null || /^\d{1,6}[smhd]$/.test(text)) return text;
  throw new InvalidArgumentError('It must be a time such as 2026-01-31T12:00:00Z, or how long ago, such as 24h or 7d.');
};

/** An option's time as the API takes it. */
export const epochOf = (text: string, now: number): string => {
  const [, count, unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  return count === undefined ? text : String(Math.max(0, now - Number(count) * (units[unit] ?? 0)));
};

/** Adds the filters to a command; `--status` only where it is not the command itself that says which. */
export const withEventFilters = (command: Command, { status }: { status: boolean }): Command => {
  if (status) command.addOption(new Option('--status <status>', 'state of the event').choices(eventStatuses));
  return command
    .option('--source <name>', 'who sent it')
    .option('--cluster-id <name>', 'cluster of the sender')
    .option('--org-id <id>', 'organisation of the domain')
    .option('--domain <name>', 'host name')
    .addOption(new Option('--event-type <type>', 'what happened').choices(eventTypes))
    .addOption(new Option('--error-class <class>', 'why the last try failed').choices(errorClasses))
    .option('--unresolved', 'only events whose domain is not registered')
    .addOption(new Option('--since <time>', 'received then or later; also how long ago, such as 24h').argParser(when))
    .addOption(new Option('--until <time>', 'received before then').argParser(when));
};

/** The filters as a query of `GET /v1/admin/cert-events`. */
export const eventQuery = (options: EventFilterOptions, now: number): URLSearchParams => {
  const { status, source, clusterId, orgId, domain, eventType, errorClass, unresolved, since, until } = options;
  const query = new URLSearchParams();
  const plain = { status, source, clusterId, orgId, domain, eventType, errorClass };
  for (const [name, value] of Object.entries(plain)) if (value !== undefined) query.set(name, value);
  if (unresolved === true) query.set('unresolved', 'true');
  if (since !== undefined) query.set('since', epochOf(since, now));
  if (until !== undefined) query.set('until', epochOf(until, now));
  return query;
};

/** A whole number from 1 to `max`, as an option. */
export const upTo =
  (max: number) =>
  (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : 0;
    if (value >= 1 && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${max}.`);
  };
