import type postgres from 'postgres';

/** A result that never comes: its transaction is rejected by the end of its connection instead. */
const never = (): Promise<never> => new Promise(() => undefined);

/**
 * Makes the pool's transactions outlive the loss of their connection. The driver ends a failed transaction with ROLLBACK, on
 * a lost connection too, where the write throws outside of every promise and ends the process. So the driver is not told
 * how the work ended once its connection is gone; it rejects the transaction by itself when the connection closes.
 */
export const guardTransactions = (sql: postgres.Sql, isConnectionLost: (error: unknown) => boolean): void => {
  const begin = sql.begin.bind(sql);
  const guarded = async <T>(work: (tx: postgres.TransactionSql) => T | Promise<T>) => {
    let lost = false;
    try {
      return await begin(async (tx): Promise<T> => {
        try {
          const result = await work(tx);
          return lost ? await never() : result;
        } catch (error) {
          if (lost || isConnectionLost(error)) return never();
          throw error;
        }
      });
    } catch (error) {
      lost = true;
      throw error;
    }
  };
  Object.assign(sql, { begin: guarded });
};
