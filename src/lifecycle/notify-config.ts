import * as v from 'valibot';
import { normalizeDomain } from './domain-name.ts';
import { incidentRoutes, noticeClasses, severities } from './notice.ts';
import type { NotifyRoute } from './notify-routes.ts';

const text = (max: number) =>
  v.pipe(
    v.string('must be a string'),
    v.trim(),
    v.minLength(1, 'must not be empty'),
    v.maxLength(max, `must have at most ${max} characters`),
    v.regex(/^\P{Cc}*$/u, 'must not hold control characters'),
  );
// What goes into a header cannot hold anything else.
const key = v.pipe(text(500), v.regex(/^[\x21-\x7E]+$/, 'must be printable ASCII without blanks'));

/** An http or https address that notices are posted to. */
export const webhookUrl = v.pipe(
  text(2000),
  v.check(
    (value) => URL.canParse(value) && ['http:', 'https:'].includes(new URL(value).protocol),
    'must be an http or https URL',
  ),
);

const isSigningSecret = (secret: string): boolean =>
  secret !== '' && (!secret.startsWith('whsec_') || /^whsec_[A-Za-z0-9+/]{11,}={0,2}$/.test(secret));

/** One signing secret, or a comma list while it is rotated; `whsec_` starts base64 (Standard Webhooks), all else is UTF-8. */
export const signingSecrets = v.pipe(
  v.string('must be a string'),
  v.transform((value) => value.split(',').map((secret) => secret.trim())),
  v.check((secrets) => secrets.every(isSigningSecret), 'must be a comma list of secrets; after whsec_ base64'),
);

const mailbox = v.pipe(text(320), v.regex(/^[^<>,;\s]+@[^<>,;\s]+$/, 'must be an e-mail address'));
const sender = v.pipe(text(400), v.regex(/^(?:[^<>]*<[^<>\s]+@[^<>\s]+>|[^<>,;\s]+@[^<>,;\s]+)$/, 'must be a sender'));
const oneOrMore = <T extends v.GenericSchema<string, unknown>>(rule: T, message: string) =>
  v.pipe(
    v.union(
      [
        v.pipe(v.array(rule), v.minLength(1, message)),
        v.pipe(
          rule,
          v.transform((one) => [one]),
        ),
      ],
      message,
    ),
  );

const url = webhookUrl;
const schemas = {
  webhook: v.strictObject({ type: v.literal('webhook'), url, secret: v.optional(signingSecrets) }),
  runbook: v.strictObject({ type: v.literal('runbook'), url, secret: signingSecrets }),
  slack: v.strictObject({ type: v.literal('slack'), url }),
  teams: v.strictObject({ type: v.literal('teams'), url }),
  pagerduty: v.strictObject({
    type: v.literal('pagerduty'),
    routingKey: key,
    url: v.optional(url, 'https://events.pagerduty.com/v2/enqueue'),
  }),
  opsgenie: v.strictObject({
    type: v.literal('opsgenie'),
    apiKey: key,
    url: v.optional(url, 'https://api.opsgenie.com'),
  }),
  alertmanager: v.strictObject({ type: v.literal('alertmanager'), url, generatorUrl: v.optional(url) }),
  email: v.strictObject({
    type: v.literal('email'),
    host: v.pipe(text(253), v.regex(/^[A-Za-z0-9.:_-]+$/, 'must be a host name or an address')),
    port: v.optional(
      v.pipe(
        v.number('must be a port'),
        v.integer('must be a port'),
        v.minValue(1, 'must be a port'),
        v.maxValue(65_535, 'must be a port'),
      ),
    ),
    secure: v.optional(v.boolean('must be true (TLS from the start) or false'), false),
    requireTls: v.optional(v.boolean('must be true or false'), true),
    user: v.optional(text(320)),
    password: v.optional(v.pipe(v.string('must be a string'), v.minLength(1, 'must not be empty'))),
    from: sender,
    to: oneOrMore(mailbox, 'must be an e-mail address or a list of them'),
  }),
};

type Schemas = typeof schemas;
export type ChannelType = keyof Schemas;
/** Settings of one channel, by its type. */
export type ChannelSettings<T extends ChannelType = ChannelType> = { [K in T]: v.InferOutput<Schemas[K]> }[T];

/** CERT_NOTIFY_CHANNELS after parsing. Names are unique, and every route leads to known ones. */
export interface NotifyConfig {
  readonly channels: ReadonlyMap<string, ChannelSettings>;
  readonly routes: readonly NotifyRoute[];
}

/** Names that CERT_ALERT_WEBHOOK_URL and CERT_RUNBOOK_WEBHOOK_URL take. */
export const ownChannelNames = { alerts: 'alert-webhook', runbook: 'runbook' } as const;
const reserved: readonly string[] = Object.values(ownChannelNames);
const channelName = /^[a-z][a-z0-9_-]{0,62}$/;
const maxChannels = 100;

const pattern = v.pipe(
  v.string(),
  v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
    const name = normalizeDomain(dataset.value);
    if (name !== null) return name;
    addIssue({ message: 'must be a domain name or *.suffix' });
    return NEVER;
  }),
);
const wordsOf = <const T extends readonly string[]>(words: T) =>
  v.optional(oneOrMore(v.picklist(words), `must be of ${words.join(', ')}`));
const matchSchema = v.strictObject({
  severity: wordsOf(severities),
  route: wordsOf(incidentRoutes),
  class: wordsOf(noticeClasses),
  orgId: v.optional(oneOrMore(text(200), 'must be an organisation or a list of them')),
  domain: v.optional(oneOrMore(pattern, 'must be a domain name, *.suffix, or a list of them')),
});
const routeSchema = v.strictObject({
  match: v.optional(matchSchema, {}),
  channels: v.pipe(
    v.array(v.string('must be names of channels'), 'must be a list of names of channels'),
    v.minLength(1, 'must not be empty'),
  ),
  stop: v.optional(v.boolean('must be true or false'), false),
});

const knownFields = new Set(
  [...Object.values(schemas), routeSchema, matchSchema].flatMap((schema) => Object.keys(schema.entries)),
);

/** Where a field that is not known stands among those of its object, counted from 1; its name could be anything. */
const unknownField = (issue: v.BaseIssue<unknown>, fields: readonly string[]): string => {
  const path = issue.path ?? [];
  const at = path.findIndex(({ key: one }) => typeof one === 'string' && !knownFields.has(one));
  const holder = path[at];
  const inside = path.slice(0, at).map(({ key: one }) => `${String(one)}.`);
  const place = isObject(holder?.input) ? Object.keys(holder.input).indexOf(String(holder.key)) + 1 : 0;
  const known = at === 0 ? fields : Object.keys(matchSchema.entries);
  return `its ${inside.join('')}field ${place} is not known: there are ${known.join(', ')}`;
};

/** `where: field rule`, once each, and never a value. `fields`: those that the object may have. */
const problemsOf = (where: string, issues: readonly v.BaseIssue<unknown>[], fields: readonly string[]): string[] => {
  const lines = issues.map((issue) => {
    const keys = (issue.path ?? []).map((item) => item.key).filter((one) => typeof one === 'string');
    if (keys.length === 0) return `${where} must be an object`;
    if (!keys.every((one) => knownFields.has(one))) return `${where}: ${unknownField(issue, fields)}`;
    const missing = issue.input === undefined ? 'is missing' : issue.message;
    return `${where}: ${keys.join('.')} ${issue.expected === 'never' ? 'is not a field of this type' : missing}`;
  });
  return [...new Set(lines)];
};

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const parseChannels = (given: Readonly<Record<string, unknown>>, problems: string[]): Map<string, ChannelSettings> => {
  const channels = new Map<string, ChannelSettings>();
  Object.entries(given).forEach(([name, value], index) => {
    // A name of the right form is shown: it is how the operator calls the channel.
    const where = `channel ${index + 1}${channelName.test(name) ? ` (${name})` : ''}`;
    if (!channelName.test(name)) problems.push(`${where}: its name must be a-z, 0-9, _ and -, a letter first`);
    if (reserved.includes(name)) problems.push(`${where}: its name is taken by a variable of its own`);
    const type = isObject(value) && typeof value['type'] === 'string' ? value['type'] : '';
    if (!Object.hasOwn(schemas, type)) {
      problems.push(`${where}: type must be one of ${Object.keys(schemas).join(', ')}`);
      return;
    }
    // Just compared with the keys of `schemas`.
    const schema = schemas[type as ChannelType];
    const result = v.safeParse(schema, value, { abortPipeEarly: true });
    if (!result.success) problems.push(...problemsOf(where, result.issues, Object.keys(schema.entries)));
    else if (
      result.output.type === 'email' &&
      (result.output.user === undefined) !== (result.output.password === undefined)
    )
      problems.push(`${where}: user and password go together`);
    else channels.set(name, result.output);
  });
  return channels;
};

const parseRoutes = (given: readonly unknown[], names: ReadonlySet<string>, problems: string[]): NotifyRoute[] =>
  given.flatMap((value, index) => {
    const where = `route ${index + 1}`;
    const result = v.safeParse(routeSchema, value);
    if (!result.success) {
      problems.push(...problemsOf(where, result.issues, Object.keys(routeSchema.entries)));
      return [];
    }
    result.output.channels.forEach((name, at) => {
      if (!names.has(name)) problems.push(`${where}: channels: name ${at + 1} is not the name of a channel`);
    });
    return [result.output];
  });

/**
 * Reads CERT_NOTIFY_CHANNELS, a JSON document `{channels: {name: {type, …}}, routes: [{match, channels, stop}]}`.
 *
 * @returns the settings, or problems that name position and field and never show a value.
 */
export const parseNotifyConfig = (
  json: string,
): { readonly config: NotifyConfig } | { readonly problems: readonly string[] } => {
  let document: unknown;
  try {
    document = JSON.parse(json);
  } catch {
    return { problems: ['is not valid JSON'] };
  }
  if (!isObject(document)) return { problems: ['must be a JSON object with channels and routes'] };
  const { channels: givenChannels, routes: givenRoutes, ...others } = document;
  const problems: string[] = [];
  if (Object.keys(others).length > 0) problems.push('must hold nothing but channels and routes');
  if (!isObject(givenChannels)) problems.push('channels must be an object of channels by their names');
  else if (Object.keys(givenChannels).length > maxChannels) problems.push(`channels must be ${maxChannels} at most`);
  if (!Array.isArray(givenRoutes)) problems.push('routes must be a list');
  if (!isObject(givenChannels) || !Array.isArray(givenRoutes)) return { problems };
  const channels = parseChannels(givenChannels, problems);
  const routes = parseRoutes(givenRoutes, new Set(Object.keys(givenChannels)), problems);
  return problems.length > 0 ? { problems } : { config: { channels, routes } };
};
