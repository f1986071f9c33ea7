/* The least that a client can do: one GET, with a VM's two headers, its answer to standard output. The floor under
 * the figures of bench/client. usage: client PORT PATH VMID TOKEN */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv) {
    char request[1024] = "GET ", answer[16384];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 5 || strlen(argv[2]) + strlen(argv[3]) + strlen(argv[4]) > 800) return 1;
    to.sin_port = htons(atoi(argv[1]));
    strcat(strcat(request, argv[2]), " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-ONEGATE-VMID: ");
    strcat(strcat(strcat(strcat(request, argv[3]), "\r\nX-ONEGATE-TOKEN: "), argv[4]), "\r\n\r\n");
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(s, (struct sockaddr *)&to, sizeof to) || write(s, request, strlen(request)) < 0) return 1;
    for (ssize_t n; (n = read(s, answer, sizeof answer)) > 0;)
        if (write(1, answer, n) < 0) return 1;
    return 0;
}
