/** Tells errors of the disk from errors of a connection or an archive. After a disk error, the downloaded bytes are kept. */

import { hasCode } from '../errors/stillhouse-error.js';

const CODES = ['ENOSPC', 'EDQUOT', 'EIO', 'EACCES', 'EROFS', 'EISDIR'];

export const DISK_HINT = 'Mend this, then run the command again: it continues from here';

/** Whether an error comes from the file system: no space, no permission, or a fault of the device. */
export function isDiskFault(error: unknown): boolean {
  return CODES.some((code) => hasCode(error, code));
}
