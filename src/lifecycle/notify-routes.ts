import { matchesDomain } from './domain-name.ts';
import type { FiringAlert, NoticeAction, NoticeKind } from './notice.ts';

/** What a route asks of a notice: every field that is given must hold one of the notice's values. `{}` takes all. */
export interface RouteMatch {
  readonly severity?: readonly string[] | undefined;
  readonly route?: readonly string[] | undefined;
  readonly class?: readonly string[] | undefined;
  readonly orgId?: readonly string[] | undefined;
  /** Names, or `*.suffix` for everything below it. */
  readonly domain?: readonly string[] | undefined;
}

export interface NotifyRoute {
  readonly match: RouteMatch;
  /** Names of channels. */
  readonly channels: readonly string[];
  /** No later route is looked at when this one takes the notice. */
  readonly stop: boolean;
}

/** Who is told what. `channels` says what each takes; those in `always` are told whatever the routes say. */
export interface Routing {
  readonly channels: ReadonlyMap<string, ChannelTraits>;
  readonly always: readonly string[];
  readonly routes: readonly NotifyRoute[];
}

export interface ChannelTraits {
  readonly kinds: readonly NoticeKind[];
  /** Whether it can be told that an alert has ended. */
  readonly resolves: boolean;
}

export type RoutedFacts = Pick<FiringAlert, 'severity' | 'route' | 'class' | 'orgId' | 'domain'> & {
  readonly kind: NoticeKind;
  readonly action: NoticeAction;
};

const takes = (match: RouteMatch, facts: RoutedFacts): boolean => {
  const { severity, route, class: classes, orgId, domain } = match;
  return (
    (severity === undefined || severity.includes(facts.severity)) &&
    (route === undefined || route.includes(facts.route)) &&
    (classes === undefined || classes.includes(facts.class)) &&
    (orgId === undefined || (facts.orgId !== null && orgId.includes(facts.orgId))) &&
    (domain === undefined || domain.some((pattern) => facts.domain !== null && matchesDomain(pattern, facts.domain)))
  );
};

/**
 * Names of the channels a notice goes to, each once: those that are always told, then those of every route that takes it, in
 * order, up to one that stops. Channels that do not carry the kind, or cannot express a resolve, are left out.
 */
export const channelsFor = (routing: Routing, facts: RoutedFacts): string[] => {
  const names = new Set(routing.always);
  for (const { match, channels, stop } of routing.routes) {
    if (!takes(match, facts)) continue;
    for (const name of channels) names.add(name);
    if (stop) break;
  }
  return [...names].filter((name) => {
    const traits = routing.channels.get(name);
    return traits !== undefined && traits.kinds.includes(facts.kind) && (facts.action === 'fire' || traits.resolves);
  });
};
