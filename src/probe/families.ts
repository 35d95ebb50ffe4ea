import { networkInterfaces } from 'node:os';
import type { Look } from '../lifecycle/served.ts';

/** Whether this machine has an IPv6 address that leads anywhere. */
export const hasIpv6 = (): boolean =>
  Object.values(networkInterfaces())
    .flat()
    .some((entry) => entry?.family === 'IPv6' && !entry.internal && !entry.address.startsWith('fe80:'));

const isForeign = ({ address, verdict }: Look): boolean => verdict === 'unreachable' && address.startsWith('[');

/**
 * Leaves out IPv6 addresses that no route leads to, when this machine has no IPv6 at all and other addresses were looked at: it cannot
 * tell whether they are served.
 */
export const withoutForeignFamily = (looks: readonly Look[], machineHasIpv6: () => boolean): readonly Look[] => {
  if (!looks.some(isForeign) || looks.every(isForeign) || machineHasIpv6()) return looks;
  return looks.filter((look) => !isForeign(look));
};
