/* std names the threads that it starts, and musl's function for that formats a path: all of printf for a name that
 * nobody looks up. The agent's threads have none: 12 KB less. */
int pthread_setname_np(unsigned long thread, const char *name) { (void)thread; (void)name; return 0; }
