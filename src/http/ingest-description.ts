import * as v from 'valibot';
import { eventBody } from '../lifecycle/event.ts';
import { eventStatuses } from '../lifecycle/types.ts';
import { describe } from './openapi.ts';

const whereSigned = 'needed where the server has source keys or requires provenance';

const accepted = v.strictObject({
  ok: v.literal(true),
  eventId: v.pipe(v.string(), v.uuid()),
  status: v.picklist(eventStatuses),
  source: v.string(),
  clusterId: v.nullable(v.string()),
  provenanceVerified: v.boolean(),
  provenanceSubject: v.nullable(v.string()),
  duplicate: v.optional(v.literal(true)),
});

/** What ingest takes and answers (contract 1), for the OpenAPI document. */
export const describeIngest = describe({
  summary: 'Report what became of a certificate',
  tag: 'Ingest',
  headers: {
    'x-cert-event-token': { about: 'The ingest token', required: true },
    'x-cert-source': { about: "Who signs, as in the source key; default: the body's source", required: false },
    'x-cert-cluster': { about: "Where, as in the source key; default: the body's clusterId", required: false },
    'x-cert-timestamp': { about: `Unix time in seconds, digits only; ${whereSigned}`, required: false },
    'x-cert-signature': {
      about: `Hex HMAC-SHA256 of the timestamp as sent, a dot and the raw body; ${whereSigned}`,
      required: false,
    },
  },
  body: eventBody,
  answers: {
    202: {
      about: 'Committed. `duplicate` when the same event was sent before: then the id and status of the first',
      schema: accepted,
    },
  },
  errors: [401, 403, 404, 409, 429],
  problems: {
    401: 'Token, source, timestamp or signature is missing or wrong',
    403: 'The source may not report this domain',
    404: 'No domain has this domainId',
    409: 'The same source, cluster and sourceEventId came before with other content',
    503: 'No ingest token is configured, or the database does not answer or is too busy: Retry-After',
  },
});
