/**
 * Calls `onLate` after `ms`, unless the function given back is called before. What has arrived by then still counts: when the event loop
 * was held up, timers run before the sockets are read, and a server must not be blamed for that.
 */
export const startDeadline = (ms: number, onLate: () => void): (() => void) => {
  let isOver = false;
  const timer = setTimeout(() => {
    setImmediate(() => {
      if (!isOver) onLate();
    });
  }, ms);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
};
