import type { Config } from '../../config.ts';

/** Something about the configuration that somebody should know. */
export interface Finding {
  readonly level: 'bad' | 'warn' | 'ok';
  readonly title: string;
  /** What to do, or why it is well. */
  readonly text: string;
}

interface Rule {
  readonly wrong: (config: Config) => boolean;
  readonly level: 'bad' | 'warn';
  readonly title: string;
  readonly text: string;
  /** What is said where all is well. */
  readonly well: string;
}

const channelCount = ({ CERT_NOTIFY_CHANNELS: more, CERT_ALERT_WEBHOOK_URL: alerts }: Config): number =>
  (more?.channels.size ?? 0) + (alerts === undefined ? 0 : 1);

const rules: readonly Rule[] = [
  {
    wrong: (config) => config.CERT_EVENT_INGEST_TOKEN === undefined,
    level: 'bad',
    title: 'No event is let in',
    text: 'Set CERT_EVENT_INGEST_TOKEN: without it, senders are answered 503.',
    well: 'Senders are known by a token',
  },
  {
    wrong: (config) => channelCount(config) === 0,
    level: 'bad',
    title: 'Nobody is told of anything',
    text: 'Set CERT_NOTIFY_CHANNELS or CERT_ALERT_WEBHOOK_URL.',
    well: 'Alerts have somewhere to go',
  },
  {
    wrong: (config) => config.CERT_AUDIT_SIGNING_SECRET === undefined,
    level: 'warn',
    title: 'The audit log is not signed',
    text: 'Set CERT_AUDIT_SIGNING_SECRET, the same in all processes: without it, rows cut off its end go unseen.',
    well: 'The audit log is signed',
  },
  {
    wrong: (config) => config.CERT_EVENT_SOURCE_KEYS === undefined && !config.CERT_EVENT_REQUIRE_PROVENANCE,
    level: 'warn',
    title: 'Events are taken without a signature',
    text: 'Set CERT_EVENT_SOURCE_KEYS: whoever has the token can speak for every source.',
    well: 'Events are signed by their sources',
  },
  {
    wrong: (config) => config.NOTAFTER_PUBLIC_URL === undefined,
    level: 'warn',
    title: 'The console does not know its own address',
    text: 'Set NOTAFTER_PUBLIC_URL: single sign-on and a path prefix need it.',
    well: 'The console knows its address',
  },
  {
    wrong: (config) => config.NOTAFTER_OIDC_ISSUER === undefined,
    level: 'warn',
    title: 'Single sign-on is off',
    text: 'People sign in with tokens. Set NOTAFTER_OIDC_ISSUER to have them sign in as themselves.',
    well: 'Single sign-on is on',
  },
  {
    wrong: (config) => config.CERT_DEPLOYMENT_ENV === 'dev',
    level: 'warn',
    title: 'This is a development deployment',
    text: 'Nobody is woken, and webhooks may reach this host. Set CERT_DEPLOYMENT_ENV=prod where it counts.',
    well: 'A late renewal is treated as this environment asks',
  },
  {
    wrong: (config) => !config.DOMAIN_VERIFY_STRICT,
    level: 'warn',
    title: 'Domains are verified without proof',
    text: 'Unset DOMAIN_VERIFY_STRICT: with false, the verify call alone is enough.',
    well: 'Domains are verified by their TXT record',
  },
  {
    wrong: (config) => !config.CERT_PROBE_FALLBACK_ENABLED,
    level: 'warn',
    title: 'Nobody looks at what is served',
    text: 'CERT_PROBE_FALLBACK_ENABLED is false: certificates are looked at only when asked for.',
    well: 'What is served is looked at',
  },
];

/** What a configuration lacks, the worst first; then what is well, one line each. */
export const findingsOf = (config: Config): { readonly wrong: Finding[]; readonly well: string[] } => {
  const found = rules.filter(({ wrong }) => wrong(config));
  return {
    wrong: found
      .toSorted((a, b) => Number(b.level === 'bad') - Number(a.level === 'bad'))
      .map(({ level, title, text }) => ({ level, title, text })),
    well: rules.filter((rule) => !found.includes(rule)).map(({ well }) => well),
  };
};
