"""How near translations are to those of people: by sacrebleu (optional extra `text`)."""

from collections.abc import Sequence
from typing import Literal


def bleu(
    translations: Sequence[str], references: Sequence[Sequence[str]], *, tokenize: Literal["13a", "char"] = "13a"
) -> float:
    """BLEU of a whole set of translations, 0 to 100 (Papineni et al., 2002), as WMT counts it (Post, 2018).

    BLEU = 100 exp(min(0, 1 - r / c)) (p_1 p_2 p_3 p_4)^(1/4), p_n the part of the n-grams that are in a reference,
    c and r the lengths of the translations and of the references nearest to these.

    references[i] are one or more of translation i, and as many for each. `tokenize`: what an n-gram is made of, words
    and punctuation or characters. Raises ValueError where there are none or numbers do not fit, and ImportError without
    sacrebleu.
    """
    counts = {len(own) for own in references}
    if not translations or len(translations) != len(references) or len(counts) != 1 or 0 in counts:
        raise ValueError(
            f"bleu: got {len(translations)} translations and {len(references)} lists of {sorted(counts)} references; "
            "there must be a list for each translation, and as many references in each"
        )
    try:
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise ImportError('bleu needs sacrebleu: pip install "mlr-jax[text]"') from error
    score: float = BLEU(tokenize=tokenize).corpus_score(list(translations), list(zip(*references, strict=True))).score
    return score
