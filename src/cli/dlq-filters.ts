import { type Command, InvalidArgumentError, Option } from 'commander';
import { errorClasses, eventTypes } from '../lifecycle/types.ts';
import { epochOf, when } from './event-options.ts';

/** Filters of dead letters as commander hands them over. */
export interface DeadLetterOptions {
  readonly group?: string;
  readonly source?: string;
  readonly clusterId?: string;
  readonly orgId?: string;
  readonly domain?: string;
  readonly eventType?: string;
  readonly errorClass?: string;
  readonly since?: string;
  readonly until?: string;
}

const fingerprint = (text: string): string => {
  if (/^[\da-f]{16}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the id of a group, 16 hex digits; see notafter dlq groups.');
};

/** Adds the filters of dead letters to a command. */
export const withDeadLetterFilters = (command: Command): Command =>
  command
    .addOption(new Option('--group <id>', 'dead letters of one cause, as dlq groups names it').argParser(fingerprint))
    .option('--source <name>', 'who sent it')
    .option('--cluster-id <name>', 'cluster of the sender')
    .option('--org-id <id>', 'organisation of the domain')
    .option('--domain <name>', 'host name, or *.example.com for all that end so')
    .addOption(new Option('--event-type <type>', 'what happened').choices(eventTypes))
    .addOption(new Option('--error-class <class>', 'why the last try failed').choices(errorClasses))
    .addOption(new Option('--since <time>', 'received then or later; also how long ago, such as 24h').argParser(when))
    .addOption(new Option('--until <time>', 'received before then').argParser(when));

/** The filters as the API names them; times as epoch milliseconds or RFC 3339. */
export const deadLetterFilters = (options: DeadLetterOptions, now: number): Readonly<Record<string, string>> => {
  const { group, source, clusterId, orgId, domain, eventType, errorClass, since, until } = options;
  const all = {
    fingerprint: group,
    source,
    clusterId,
    orgId,
    domain,
    eventType,
    errorClass,
    since: since === undefined ? undefined : epochOf(since, now),
    until: until === undefined ? undefined : epochOf(until, now),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
};
