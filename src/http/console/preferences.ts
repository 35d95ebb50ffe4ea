import type { Context } from 'hono';
import { getCookie } from 'hono/cookie';
import * as v from 'valibot';
import type { HttpEnv } from '../env.ts';

export const themes = ['system', 'light', 'dark'] as const;
export const densities = ['system', 'compact', 'roomy'] as const;

/** How a browser shows the console. `zone` is an IANA name; `keys` tells whether single keys do something. */
export interface Preferences {
  readonly theme: (typeof themes)[number];
  readonly density: (typeof densities)[number];
  readonly keys: boolean;
  readonly zone: string;
}

export const preferencesCookie = 'notafter-preferences';

export const isZone = (zone: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
};

export const defaultPreferences: Preferences = { theme: 'system', density: 'system', keys: true, zone: 'UTC' };

const fields = v.object({
  theme: v.fallback(v.picklist(themes), defaultPreferences.theme),
  density: v.fallback(v.picklist(densities), defaultPreferences.density),
  keys: v.fallback(
    v.pipe(
      v.picklist(['on', 'off']),
      v.transform((word) => word === 'on'),
    ),
    defaultPreferences.keys,
  ),
  zone: v.fallback(v.pipe(v.string(), v.maxLength(64), v.check(isZone)), defaultPreferences.zone),
});

/** The value of the cookie: a query string of plain words, set by the Account page. */
export const preferencesText = ({ theme, density, keys, zone }: Preferences): string =>
  new URLSearchParams({ theme, density, keys: keys ? 'on' : 'off', zone }).toString();

/** What the browser's cookie says; whatever in it is not known counts as not said. */
export const preferencesOf = (c: Context<HttpEnv>): Preferences =>
  v.parse(fields, Object.fromEntries(new URLSearchParams(getCookie(c, preferencesCookie) ?? '')));
