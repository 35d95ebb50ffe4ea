import { destination, type Logger, pino } from 'pino';

// Lines that cannot be written wait; beyond so many bytes they are dropped.
const maxLength = 1_048_576;

/**
 * The log of a process, on its standard output. A disk that is full, or a reader that has gone, costs lines and never the
 * process.
 */
export const openLog = (level: string): Logger => {
  const to = destination({ fd: 1, sync: true, maxLength });
  // Nobody could be told: the next line tries again, with those that wait.
  to.on('error', () => undefined);
  return pino({ level }, to);
};
