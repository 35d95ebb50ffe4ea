import type { PlanFacts, ReplayFilter } from '../../lifecycle/replay.ts';
import { count, exactText } from './format.ts';
import { errorClassWords, eventWords } from './words.ts';

const times = (filter: ReplayFilter, zone: string): string[] => [
  ...(filter.since === undefined ? [] : [`from ${exactText(filter.since, zone)}`]),
  ...(filter.until === undefined ? [] : [`to ${exactText(filter.until, zone)}`]),
];

/** Which events a replay takes, in words: `dead letters, internal, source lego`. */
export const takenWords = (filter: ReplayFilter, facts: PlanFacts, zone: string): string => {
  const { status, ids, source, clusterId, orgId, domain, eventType, errorClass, fingerprint } = filter;
  const [group] = facts.groups;
  const parts = [
    ids === undefined
      ? status === 'failed'
        ? 'dead letters'
        : 'applied events'
      : `${count(ids.length)} chosen by hand`,
    fingerprint === undefined
      ? null
      : `of one error: ${group?.fingerprint === fingerprint ? group.pattern : fingerprint}`,
    errorClass === undefined ? null : errorClassWords[errorClass],
    eventType === undefined ? null : eventWords[eventType],
    domain === undefined ? null : `domain ${domain}`,
    source === undefined ? null : `source ${source}`,
    clusterId === undefined ? null : `cluster ${clusterId}`,
    orgId === undefined ? null : `organisation ${orgId}`,
    ...times(filter, zone),
  ];
  return parts.filter((part) => part !== null).join(', ');
};

/** The fields of a form that plans a replay of what a filter lets through. */
export const planFields = (filter: ReplayFilter): Record<string, string> => {
  const { ids: _ids, ...named } = filter;
  const given = Object.entries(named).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
};
