"""`watcher completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import ShellComplete

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script by which a shell completes commands, options, and the names of models, versions, labels and jobs.

    bash (4.4 or newer) finds it at its next start in the first place below. zsh does in the second, with
    `fpath+=~/.zfunc` before `compinit` in ~/.zshrc. fish does in the third.

    Example: `watcher completion bash > ~/.local/share/bash-completion/completions/watcher`

    Example: `watcher completion zsh > ~/.zfunc/_watcher`

    Example: `watcher completion fish > ~/.config/fish/completions/watcher.fish`
    """
    from click.shell_completion import ShellComplete, get_completion_class

    made = get_completion_class(shell)
    assert made is not None
    # click's own way of printing bash's would start one, only to ask for its version.
    click.echo(ShellComplete.source(_complete(made, ctx)))


def _complete(made: type[ShellComplete], ctx: click.Context) -> ShellComplete:
    return made(ctx.find_root().command, {}, "watcher", "_WATCHER_COMPLETE")
