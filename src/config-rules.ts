import * as v from 'valibot';
import { type Role, roles } from './lifecycle/access.ts';
import { tlsComplaint } from './lifecycle/database-url.ts';
import { isProbeAddress } from './lifecycle/domain-input.ts';
import { type NotifyConfig, parseNotifyConfig, signingSecrets as secretList } from './lifecycle/notify-config.ts';
import { parseCidrs } from './net/address-guard.ts';
import { parseSourceKeys, type SourceKeys } from './source-keys.ts';

// How the environment's variables are written, for the table in config.ts.

export interface AdminToken {
  readonly name: string;
  readonly role: Role;
  readonly token: string;
}

export const integer = (min: number, max: number) =>
  v.pipe(
    v.string(),
    v.regex(/^\d+$/, `must be a whole number from ${min} to ${max}`),
    v.transform(Number),
    v.minValue(min, `must be a whole number from ${min} to ${max}`),
    v.maxValue(max, `must be a whole number from ${min} to ${max}`),
  );
/** An age in days; 0 stands for ever. */
export const age = v.pipe(
  v.string(),
  v.regex(/^\d{1,5}(?:\.\d{1,6})?$/, 'must be a number of days such as 400 or 0.5, 0 for ever'),
  v.transform(Number),
);
export const flag = v.pipe(
  v.picklist(['true', 'false'], 'must be true or false'),
  v.transform((value) => value === 'true'),
);
export const nonEmpty = v.pipe(v.string(), v.trim(), v.minLength(1, 'must not be empty'));
export const secret = v.pipe(nonEmpty, v.minLength(8, 'must have at least 8 characters'));
export const signingSecrets = v.pipe(secret, secretList);
export const url = (...protocols: string[]) =>
  v.pipe(
    v.string(),
    v.check(
      (value) => URL.canParse(value) && protocols.includes(new URL(value).protocol),
      `must be a URL with ${protocols.join(' or ')}//`,
    ),
  );
/** A `postgres:` URL whose TLS settings mean the same to every driver. */
export const databaseUrl = v.pipe(
  url('postgres:', 'postgresql:'),
  v.rawCheck(({ dataset, addIssue }) => {
    const complaint = dataset.typed && URL.canParse(dataset.value) ? tlsComplaint(dataset.value) : null;
    if (complaint !== null) addIssue({ message: complaint });
  }),
);
export const certificates = v.pipe(nonEmpty, v.includes('-----BEGIN CERTIFICATE-----', 'must hold PEM certificates'));
const list = v.pipe(
  v.string(),
  v.transform((value) =>
    value
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  ),
);
export const servers = v.pipe(
  list,
  v.check(
    (value) => value.length > 0 && value.every(isProbeAddress),
    'must be a comma list of address[:port], IPv6 with a port as [address]:port',
  ),
);

export const cidrs = v.pipe(
  v.string(),
  v.rawTransform<string, readonly string[]>(({ dataset, addIssue }) => {
    const { cidrs: ranges, bad } = parseCidrs(dataset.value);
    for (const position of bad)
      addIssue({ message: `entry ${position} is not an address or range such as 10.0.0.0/8` });
    return ranges;
  }),
);

const portRule = 'must be a comma list of ports';
export const ports = v.pipe(
  list,
  v.check(
    (value) => value.length > 0 && value.every((port) => /^[1-9]\d{0,4}$/.test(port) && Number(port) < 65_536),
    portRule,
  ),
  v.transform((value) => value.map(Number)),
);

export const adminTokens = v.pipe(
  v.string(),
  v.rawTransform<string, AdminToken[]>(({ dataset, addIssue, NEVER }) => {
    const form = `is not of the form name:role:token (roles ${roles.join(', ')}; token of 8 or more characters, no blanks)`;
    const tokens: AdminToken[] = [];
    dataset.value.split(',').forEach((raw, index) => {
      const [name = '', role = '', ...rest] = raw.trim().split(':');
      const token = rest.join(':');
      const known = roles.find((one) => one === role);
      if (name === '' || known === undefined || !/^\S{8,}$/.test(token))
        addIssue({ message: `entry ${index + 1} ${form}` });
      else if (tokens.some((one) => one.token === token)) addIssue({ message: `entry ${index + 1} repeats a token` });
      else tokens.push({ name, role: known, token });
    });
    return tokens.length > 0 ? tokens : NEVER;
  }),
);

export const sourceKeys = v.pipe(
  v.string(),
  v.rawTransform<string, SourceKeys>(({ dataset, addIssue, NEVER }) => {
    const parsed = parseSourceKeys(dataset.value);
    if ('keys' in parsed) return parsed.keys;
    for (const message of parsed.problems) addIssue({ message });
    return NEVER;
  }),
);

export const notifyChannels = v.pipe(
  v.string(),
  v.rawTransform<string, NotifyConfig>(({ dataset, addIssue, NEVER }) => {
    const parsed = parseNotifyConfig(dataset.value);
    if ('config' in parsed) return parsed.config;
    for (const message of parsed.problems) addIssue({ message });
    return NEVER;
  }),
);

/** What membership in a group of the identity provider is worth; `orgId` null for all organisations. */
export interface GroupRole {
  readonly group: string;
  readonly role: Role;
  readonly orgId: string | null;
}

export const groupRoles = v.pipe(
  list,
  v.rawTransform<string[], GroupRole[]>(({ dataset, addIssue, NEVER }) => {
    const found: GroupRole[] = [];
    dataset.value.forEach((entry, index) => {
      const match = /^(.+)=(\w+)(?:@(.+))?$/.exec(entry);
      const role = roles.find((one) => one === match?.[2]);
      if (match?.[1] === undefined || role === undefined)
        addIssue({
          message: `entry ${index + 1} is not of the form group=role or group=role@organisation, with one of the roles ${roles.join(', ')}`,
        });
      else found.push({ group: match[1], role, orgId: match[3] ?? null });
    });
    return found.length > 0 ? found : NEVER;
  }),
);
