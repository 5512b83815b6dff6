#include "help_p.h"
#include "options_p.h"
#include <stdio.h>

static const char usage[] =
	"mountmail mounts a mail account as a folder: IMAP folders, or a POP3 inbox, are\n"
	"directories, messages are files.\n"
	"\n"
	"Usage:\n"
	"  mountmail [-f] [-d] [-o OPTION[,OPTION...]] ACCOUNT|URL MOUNTPOINT\n"
	"  mountmail status  MOUNTPOINT [--json]\n"
	"  mountmail refresh MOUNTPOINT[/FOLDER]\n"
	"  mountmail queue   MOUNTPOINT [--json | --undo ID|all | --release | --discard "
	"ID|all]\n"
	"  mountmail flush   MOUNTPOINT [--timeout SECONDS]\n"
	"  mountmail umount  MOUNTPOINT [--force] [--timeout SECONDS]\n"
	"\n"
	"  ACCOUNT     a section of ~/.config/mountmail/config\n"
	"  URL         imaps://user@host[:port][/folder], or imap:// for STARTTLS;\n"
	"              pop3s://user@host[:port], or pop3:// for STLS\n"
	"\n"
	"  -f          stay in the foreground, with the log on standard error\n"
	"  -d          as -f, and log every request of the kernel\n"
	"  -o OPTION   see below; may be given more than once\n"
	"  --json      for programs\n"
	"  --undo      bring back what was removed and not sent to the server yet\n"
	"  --release   send what the brake or the server held back\n"
	"  --discard   forget a removal that was not carried out; the message stays\n"
	"  --timeout   wait for the server at most so long (flush: no limit, umount: 30)\n"
	"  --force     unmount also while files are in use or removals are not sent yet\n"
	"  --help, --version\n"
	"\n";

static const char exits[] = "\n"
			    "Exit status: 0 done; 1 failed; 2 a wrong option, URL or "
			    "configuration; 3 the server cannot\n"
			    "be reached; 4 it refused user or password; 5 its certificate, TLS "
			    "or protocol was refused;\n"
			    "6 nothing can be mounted at MOUNTPOINT, or nothing is; 7 removals "
			    "are left that the\n"
			    "server does not have.\n";

static enum exit_status print(const char *text)
{
	return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? STATUS_FAILED : STATUS_OK;
}

enum exit_status help_print(void)
{
	struct buf buf = BUF_INIT;
	enum exit_status status;

	buf_append_str(&buf, usage);
	options_help(&buf);
	buf_append_str(&buf, exits);
	status = print(buf.data);
	buf_finish(&buf);
	return status;
}

enum exit_status help_version(void)
{
	return print("mountmail " MOUNTMAIL_VERSION "\n");
}
