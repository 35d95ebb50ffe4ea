import { createHash } from 'node:crypto';
import { mapCallback } from '../lifecycle/event.ts';
import { isSuccess } from '../lifecycle/types.ts';
import type { CallbackAction, CallbackClass, EventType } from '../lifecycle/types.ts';
import { EmitInputError } from './certificate.ts';
import type { CertificateFacts } from './certificate.ts';

const maxIdLength = 200;
const maxReasonLength = 4000;
const maxListedNames = 100;

/** What happened: an event type, a callback pair (class and action, with its attempt), or both. */
export interface Happening {
  readonly eventType?: EventType;
  readonly callback?: { readonly class: CallbackClass; readonly action: CallbackAction };
  readonly attempt?: number;
}

/** One outcome of an ACME client, for one or several names. Times are epoch milliseconds. */
export interface Occurrence {
  readonly source: string;
  readonly cluster: string | undefined;
  /** The program that reports, as it stands in event ids: `certbot`, `lego`. */
  readonly client: string;
  readonly happening: Happening;
  readonly occurredAt: number;
  /** Names to report; without them every name of the certificate. */
  readonly domains: readonly string[];
  readonly certificate?: CertificateFacts;
  readonly reason?: string;
  readonly renewalDueAt?: number;
  /** The caller's own id instead of a made one. */
  readonly eventId?: string;
  /** Tells two failures of the same millisecond apart. */
  readonly nonce: string;
  readonly host: string;
}

/** An event ready to be sent: `body` is the exact JSON text, kept as it is over all retries. */
export interface OutgoingEvent {
  readonly sourceEventId: string;
  readonly domain: string;
  readonly eventType: EventType;
  readonly body: string;
  /** The id follows from the certificate, so an event of the same id that is already known reports the same outcome. */
  readonly idFromCertificate: boolean;
}

/** @throws EmitInputError when neither a type nor a pair that stands for one is given, or when both disagree. */
export const eventTypeOf = ({ eventType, callback }: Happening): EventType => {
  const mapped = callback === undefined ? null : mapCallback(callback.class, callback.action);
  if (mapped !== null && eventType !== undefined && mapped !== eventType) {
    throw new EmitInputError(`--class and --action mean ${mapped}. Leave --event out, or give the same.`);
  }
  const type = eventType ?? mapped;
  if (type === null) throw new EmitInputError('Give --event, or a --class and --action that stand for an event.');
  return type;
};

/**
 * One event per name. The id of a success follows from the certificate (`<client>:<sha256 prefix>:<what>:<name>`), so that a
 * hook which runs twice reports once; every other event gets an id of its own.
 *
 * @throws EmitInputError when there is no name, or a name that the certificate does not hold.
 */
export const buildEvents = (occurrence: Occurrence): OutgoingEvent[] => {
  const { certificate, domains, happening } = occurrence;
  const eventType = eventTypeOf(happening);
  const names = domains.length > 0 ? [...new Set(domains)] : (certificate?.names ?? []);
  if (names.length === 0) throw new EmitInputError('Give --pem or --domain: there is no name to report.');
  const success = isSuccess(eventType);
  if (success && certificate !== undefined && names.some((name) => !certificate.names.includes(name))) {
    throw new EmitInputError('--domain names a host that the certificate does not hold.');
  }
  const idFromCertificate = success && certificate !== undefined && occurrence.eventId === undefined;
  return names.map((domain) => {
    const sourceEventId = eventIdFor(occurrence, eventType, domain, names.length);
    const body = JSON.stringify(wireBody(occurrence, eventType, domain, sourceEventId));
    return { sourceEventId, domain, eventType, body, idFromCertificate };
  });
};

const wireBody = (occurrence: Occurrence, eventType: EventType, domain: string, sourceEventId: string): object => {
  const { source, cluster, happening, certificate, reason, renewalDueAt, occurredAt } = occurrence;
  // A failure says nothing about the certificate still in use: that one stands in the payload only.
  const served = certificate !== undefined && !eventType.endsWith('_failed') ? certificate : undefined;
  return {
    source,
    clusterId: cluster,
    sourceEventId,
    domain,
    eventType,
    callbackClass: happening.callback?.class,
    callbackAction: happening.callback?.action,
    callbackAttempt: happening.attempt,
    occurredAt: isoTime(occurredAt),
    certificateRef: served?.certificateRef,
    notBefore: served && isoTime(served.notBefore),
    notAfter: served && isoTime(served.notAfter),
    renewalDueAt: renewalDueAt === undefined ? undefined : isoTime(renewalDueAt),
    reason: reason === undefined ? undefined : cleanReason(reason),
    payload: { client: occurrence.client, host: occurrence.host, certificate: certificate && describe(certificate) },
  };
};

const describe = ({ names, notBefore, notAfter, ...rest }: CertificateFacts): object => ({
  ...rest,
  notBefore: isoTime(notBefore),
  notAfter: isoTime(notAfter),
  names: names.slice(0, maxListedNames),
  namesTotal: names.length,
});

const eventIdFor = (occurrence: Occurrence, eventType: EventType, domain: string, count: number): string => {
  const { client, certificate, happening, eventId, occurredAt, nonce } = occurrence;
  if (eventId !== undefined) return boundedId(count === 1 ? eventId : `${eventId}:${domain}`);
  const what = happening.callback ? `${happening.callback.class}_${happening.callback.action}` : eventType;
  const which = isSuccess(eventType) && certificate ? certificate.sha256.slice(0, 16) : `${occurredAt}-${nonce}`;
  return boundedId(`${client}:${which}:${what}:${domain}`);
};

// The contract allows 200 characters, a host name alone may have 253.
const boundedId = (id: string): string =>
  id.length <= maxIdLength ? id : `${id.slice(0, 150)}:${createHash('sha256').update(id).digest('hex').slice(0, 32)}`;

const isoTime = (epochMs: number): string => new Date(epochMs).toISOString();

// Control characters (NUL is refused by the receiver, escape sequences garble a terminal) become blanks; tab and line feed stay.
const cleanReason = (reason: string): string =>
  reason
    .replace(/[^\P{Cc}\t\n]/gu, ' ')
    .trim()
    .slice(0, maxReasonLength)
    .toWellFormed();
