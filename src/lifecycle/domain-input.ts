import * as v from 'valibot';
import { normalizeDomain } from './domain-name.ts';
import { probeModes, starttlsProtocols } from './served.ts';
import { failurePolicies, tlsModes } from './types.ts';

const oneOf = <const T extends readonly string[]>(values: T) =>
  v.picklist(values, `must be one of ${values.join(', ')}`);

/** A host name in any spelling; the output is its one form. */
export const hostName = v.pipe(
  v.string('must be a string'),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const name = normalizeDomain(dataset.value);
    if (name !== null) return name;
    addIssue({ message: 'must be a host name' });
    return NEVER;
  }),
  v.metadata({ description: 'Host name; `*.` in front stands for every name below it' }),
);

// `unassigned` is how the summary calls domains without a region (contract 4).
const regionRule = 'must be 1 to 64 letters, digits, dots, dashes or underscores, and not "unassigned"';
export const regionName = v.pipe(v.string('must be a string'), v.regex(/^(?!unassigned$)[\w.-]{1,64}$/, regionRule));

const orgRule = 'must have 1 to 200 characters, none of them a control character';
// The pattern refuses control characters and lone surrogates, neither of which PostgreSQL keeps as text.
export const orgName = v.pipe(v.string('must be a string'), v.regex(/^[^\p{Cc}\p{Cs}]{1,200}$/u, orgRule));

const addressRule = 'must be an IP address, with :port where it is not 443';
const isV4 = (text: string): boolean => v.is(v.pipe(v.string(), v.ipv4()), text);
// A zone (fe80::1%eth0) means something on one machine only.
const isV6 = (text: string): boolean => !text.includes('%') && v.is(v.pipe(v.string(), v.ipv6()), text);
const isPort = (text: string): boolean => /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;

/** Whether a text is `address` or `address:port`; IPv6 with a port is `[address]:port` (RFC 3986, section 3.2.2). */
export const isProbeAddress = (text: string): boolean => {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (bracketed !== null) return isV6(bracketed[1] ?? '') && isPort(bracketed[2] ?? '443');
  const [address = '', port = '443', ...rest] = text.split(':');
  return rest.length > 0 ? isV6(text) : isV4(address) && isPort(port);
};

const listRule = 'must be an address or a list of addresses';
const countRule = 'must have 1 to 16 addresses';
// One step from what is sent to what is kept: the OpenAPI document shows the first, and knows no steps.
const probeAddresses = v.pipe(
  v.union(
    [v.string(), v.pipe(v.array(v.string(), listRule), v.minLength(1, countRule), v.maxLength(16, countRule))],
    listRule,
  ),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const given = typeof dataset.value === 'string' ? [dataset.value] : dataset.value;
    const addresses = given.map((text) => text.trim());
    const key = addresses.findIndex((text) => !isProbeAddress(text));
    if (key === -1) return [...new Set(addresses)];
    const place = { type: 'array', origin: 'value', input: given, key, value: given[key] } as const;
    addIssue({ message: addressRule, path: [place] });
    return NEVER;
  }),
);

const percentRule = 'must be a whole number from 1 to 90';
const percent = v.pipe(
  v.number(percentRule),
  v.integer(percentRule),
  v.minValue(1, percentRule),
  v.maxValue(90, percentRule),
);

const directoryRule = 'must be an https URL of at most 500 characters';
/** URL of an ACME server's directory (RFC 8555, section 7.1.1), where it says when to renew (RFC 9773). */
const directoryUrl = v.pipe(
  v.string(directoryRule),
  v.maxLength(500, directoryRule),
  v.check((text) => URL.canParse(text) && new URL(text).protocol === 'https:', directoryRule),
);

const flag = v.boolean('must be true or false');
const settings = {
  verified: v.optional(flag),
  tlsMode: v.optional(oneOf(tlsModes)),
  region: v.optional(v.nullable(regionName)),
  failurePolicy: v.optional(oneOf(failurePolicies)),
  orgId: v.optional(v.nullable(orgName)),
  probeAddress: v.optional(v.nullable(probeAddresses)),
  starttls: v.optional(v.nullable(oneOf(starttlsProtocols))),
  probeMode: v.optional(oneOf(probeModes)),
  expiryWarnPercent: v.optional(v.nullable(percent)),
  caDirectory: v.optional(v.nullable(directoryUrl)),
};

const shape = ({ expected }: v.StrictObjectIssue): string => {
  if (expected === 'never') return 'is not a known field';
  return expected === 'Object' ? 'must be a JSON object' : 'is required';
};

/** The body of `PUT /v1/admin/domains/:domain` (contract 4): what is absent stays as it is; null removes. */
export const domainSettings = v.strictObject(settings, shape);
/** One line of a bulk import: the same object with its `domain`. */
export const domainLine = v.strictObject({ domain: hostName, ...settings }, shape);
/** The body of `POST /v1/domains/custom`: a domain that starts unverified. */
export const newDomain = v.strictObject(
  {
    domain: hostName,
    orgId: settings.orgId,
    tlsMode: settings.tlsMode,
    region: settings.region,
    failurePolicy: settings.failurePolicy,
  },
  shape,
);
export const routeBody = v.strictObject({ region: regionName }, shape);
export const failurePolicyBody = v.strictObject({ failurePolicy: oneOf(failurePolicies) }, shape);

/** Changes to a domain's settings. */
export type DomainPatch = v.InferOutput<typeof domainSettings>;

/** Where the TXT record that proves control of a domain is looked for; a wildcard is proved at the name it stands under. */
export const verificationName = (domain: string): string => `_fdt-verify.${domain.replace(/^\*\./, '')}`;
