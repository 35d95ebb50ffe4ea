import { age } from './config-rules.ts';

/** How long what is over is kept; part of `variables`. */
export const retentionVariables = {
  CERT_RETENTION_EVENTS_DAYS: {
    rule: age,
    default: '400',
    about:
      'Days after which applied events that no state follows from any more are removed. 0: never. See docs/retention.md.',
  },
  CERT_RETENTION_IDENTITIES_DAYS: {
    rule: age,
    default: '0',
    about:
      'Days for which the identity of a removed event is kept, so that it is known when it is sent again. 0: for ever.',
  },
  CERT_RETENTION_NOTIFICATIONS_DAYS: {
    rule: age,
    default: '180',
    about: 'Days after which notifications that were sent or given up are removed. 0: never.',
  },
  CERT_RETENTION_OBSERVATIONS_DAYS: {
    rule: age,
    default: '400',
    about: 'Days after which what looks found is removed, but for the latest of each address. 0: never.',
  },
  CERT_RETENTION_INCIDENTS_DAYS: {
    rule: age,
    default: '400',
    about: 'Days after which resolved incidents are removed. 0: never.',
  },
  CERT_RETENTION_REPLAYS_DAYS: {
    rule: age,
    default: '400',
    about: 'Days after which bulk replays that are over are removed. 0: never.',
  },
} as const;
