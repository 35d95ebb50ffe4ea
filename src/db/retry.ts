import { setTimeout as sleep } from 'node:timers/promises';
import { isCutOff, isInfrastructureFault } from './client.ts';

const waitsMs = [50, 250];

/** Does work that may be done twice, again when a deadlock or a lost connection ended it: three tries within half a second. */
export const retrying = async <T>(work: () => Promise<T>): Promise<T> => {
  for (const wait of waitsMs) {
    try {
      return await work();
    } catch (error) {
      if (!isInfrastructureFault(error) || isCutOff(error)) throw error;
      await sleep(wait);
    }
  }
  return work();
};
