"""Chat bookkeeping over the main model families: tokenizers and templates differ, what must hold does not."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from rlef.envs.dialogue import DialogueSettings
from rlef.episode import Episode, Turn
from rlef.errors import RlefError
from rlef.learners.batch import action_logprobs, forward, to_batch
from rlef.learners.rejection import with_tokens
from rlef.policies.chat import Chat
from rlef.policies.interface import Sample, Sampling, in_rounds
from rlef.rollout import Start, collect
from tasks import StdioTest, Task
from tests.rlef.families import FAMILIES, REWRITES, family

CHATS = {name: Chat(family(name)) for name in FAMILIES}
TASK = Task("t", "Print 1.", (StdioTest("", "1\n"),), (StdioTest("", "1\n"),))
every_family = pytest.mark.parametrize("name", FAMILIES)

words = st.text(st.sampled_from("ab1#. \n"), max_size=12).map(lambda text: f"x{text}y")  # no edge to be trimmed


def structures(name):
    """Text full of the family's own template tokens."""
    tokens = [token.content for token in CHATS[name].tokenizer.added_tokens_decoder.values()]
    return st.lists(st.sampled_from([*tokens, "\n", "assistant", "[INST]", "### Response:", "é", "\ud800"])).map(
        "".join
    )


def rendered(chat, texts, prompt):
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    return chat.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)


def said(chat, pairs):
    return [Turn(question, answer, None, response_ids=tuple(chat.answer(answer))) for question, answer in pairs]


def specials(chat, ids):
    return [token for token in ids if token in chat.stop_ids]


@every_family
def test_what_is_found_out_at_load(name):
    assert CHATS[name].append_only == (name not in REWRITES)


@every_family
@settings(max_examples=25)
@given(data=st.data())
def test_the_models_see_their_own_template(name, data):
    """Ids of a whole conversation, decoded, are the template's rendering of it."""
    chat = CHATS[name]
    questions = data.draw(st.lists(words, min_size=1, max_size=3))
    answers = data.draw(st.lists(words, min_size=len(questions) - 1, max_size=len(questions) - 1))
    turns, ids = [], []
    for number, question in enumerate(questions):
        prompt = chat.prompt(turns, question)
        ids = [*ids, *prompt] if chat.append_only else prompt
        if number < len(answers):
            turns += said(chat, [(question, answers[number])])
            if chat.append_only:
                ids += turns[-1].response_ids
    texts = [text for pair in zip(questions, [*answers, None], strict=True) for text in pair if text is not None]
    assert chat.tokenizer.decode(ids) == rendered(chat, texts, True)


@every_family
@settings(max_examples=25)
@given(data=st.data())
def test_text_never_becomes_structure(name, data):
    """Neither a task, nor what a program printed, nor an answer in a prompt rendered anew."""
    chat = CHATS[name]
    question, feedback, answer = (data.draw(structures(name)) for _ in range(3))
    quiet = [Turn("x", "x", None, response_ids=(chat.end_id,))]
    loud = [Turn(question, answer, None, response_ids=(chat.end_id,))]
    assert specials(chat, chat.start(question)) == specials(chat, chat.start("x"))
    assert specials(chat, chat.prompt(loud, feedback)) == specials(chat, chat.prompt(quiet, "x"))
    assert specials(chat, chat.answer(answer)) == [chat.end_id]


@every_family
def test_a_template_token_in_text_is_a_danger(name):
    """The control: encoded together with its template, the same text is structure."""
    chat = CHATS[name]
    literal = chat.tokenizer.convert_ids_to_tokens(chat.end_id)
    whole = chat.tokenizer(rendered(chat, [f"x{literal}x"], True), add_special_tokens=False)["input_ids"]
    assert len(specials(chat, whole)) > len(specials(chat, chat.start(f"x{literal}x")))


class Parrot:
    """Samples what it was given, and writes down what it was asked."""

    def __init__(self, samples):
        self.samples, self.asked = iter(samples), []

    def generate(self, requests, sampling):
        self.asked += [list(request.ids) for request in requests]
        return [next(self.samples) for _ in requests]

    def run(self, requests, sampling, follow):
        in_rounds(self.generate, requests, sampling, follow)


@every_family
@settings(max_examples=20)
@given(data=st.data())
def test_ids_are_what_the_sampler_saw(name, data):
    """Any tokens may be sampled: stopped, at the length limit, ended by another template token, empty."""
    chat = CHATS[name]
    plain = sorted(set(range(len(chat.tokenizer))) - chat.stop_ids)
    body = st.lists(st.sampled_from(plain), max_size=4)
    ends = st.sampled_from([(), (chat.end_id,), *((token,) for token in sorted(chat.stop_ids))])
    sampled = data.draw(st.lists(st.tuples(body, ends).map(lambda parts: (*parts[0], *parts[1])).filter(len),
                                 min_size=3, max_size=3))  # fmt: skip
    parrot = Parrot([Sample(ids, tuple(-0.5 for _ in ids), None) for ids in sampled])
    [episode] = collect(
        [Start(TASK, 0)], parrot, chat, None, sampling=Sampling(max_new_tokens=5), settings=DialogueSettings(3),
        context=4000,
    )  # fmt: skip
    assert [turn.response_ids for turn in episode.turns] == sampled
    seen = []
    for turn, asked in zip(episode.turns, parrot.asked, strict=True):
        seen = [*(seen if chat.append_only else []), *turn.prompt_ids]
        assert seen == asked
        seen += turn.response_ids
    batch = to_batch([episode], [0])
    for number, ids in enumerate(sampled):
        assert tuple(batch.ids[0][batch.turn_ids[0] == number].tolist()) == ids


@pytest.mark.parametrize("name", sorted(FAMILIES.keys() - REWRITES))
def test_a_response_is_closed_once_however_it_ended(name):
    chat = CHATS[name]
    stopped, cut = chat.answer("x"), chat.answer("x")[:-1]
    follows = [*stopped, *chat.follow(stopped, "y")], [*cut, *chat.follow(cut, "y")]
    assert follows[0].count(chat.end_id) == follows[1].count(chat.end_id)
    for token in chat.stop_ids - {chat.end_id}:
        assert chat.end_id in chat.follow([5, token], "y")[:3]
    assert chat.text(stopped).strip() == "x"


@every_family
def test_system_messages_reach_every_family(name):
    chat = Chat(family(name), "Be brief.")
    assert "Be brief." in chat.tokenizer.decode(chat.start("x"))
    later = chat.prompt(said(chat, [("x", "y")]), "z")
    # Newer Mistral templates move it to the last message: that is a rewritten history.
    assert chat.append_only == (name not in REWRITES | {"mistral-newer"})
    assert chat.append_only or chat.tokenizer.decode(later).count("Be brief.") == 1


@pytest.mark.parametrize("name", sorted(REWRITES))
def test_reasoning_leaves_the_history(name):
    chat = CHATS[name]
    turn = Turn("Do it.", "<think>\nhard\n</think>\n\nDone.", None)
    prompt = chat.tokenizer.decode(chat.prompt([turn], "No."))
    assert "hard" not in prompt
    assert prompt == rendered(chat, ["Do it.", turn.response, "No."], True)


@pytest.mark.parametrize("name", sorted(REWRITES))
def test_written_answers_become_samples_of_their_own(name):
    """Episodes without tokens are encoded turn by turn; an answer with reasoning is not given an empty one."""
    chat = CHATS[name]
    thought = "<think>\nhard\n</think>\n\nNo." if name == "qwen3" else "hard\n</think>\n\nNo."
    [episode] = with_tokens([Episode("t", 0, (Turn("x", "Yes.", None), Turn("y", thought, None)))], chat)
    for number, turn in enumerate(episode.turns):
        assert turn.whole_prompt
        assert list(turn.prompt_ids) == chat.prompt(episode.turns[:number], turn.observation)
        whole = chat.tokenizer.decode([*turn.prompt_ids, *turn.response_ids])
        assert whole.count("</think>") == 1
        assert whole.endswith(("Yes." if number == 0 else "hard\n</think>\n\nNo.") + chat.tokenizer.eos_token)


def test_templates_that_cannot_be_used_are_refused():
    tokenizer = family("smollm")
    for template, said in [
        ("{% for m in messages %}{{ m.content.replace('\ue000', '') }}{% endfor %}<|im_end|>", "changes the text"),
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "special token"),
        ("{{ messages[99].content.x }}", "fails on an ordinary chat"),
    ]:
        tokenizer.chat_template = template
        with pytest.raises(RlefError, match=said):
            Chat(tokenizer)
    bare = family("base")
    bare.eos_token = None
    with pytest.raises(RlefError, match="neither a chat template nor an eos_token"):
        Chat(bare)


def test_a_base_model_keeps_its_template(tmp_path):
    from transformers import AutoTokenizer

    chat = Chat(family("base"))
    chat.tokenizer.save_pretrained(tmp_path)
    again = Chat(AutoTokenizer.from_pretrained(tmp_path))
    assert again.start("x") == chat.start("x")
    assert again.end_id == chat.end_id == chat.tokenizer.eos_token_id


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_turns_with_prompts_of_their_own_are_samples_of_their_own(attention):
    """The learner's log-probabilities of each turn are those of a forward pass over that turn alone."""
    chat = CHATS["qwen3"]
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=len(chat.tokenizer), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
                    num_attention_heads=2, num_key_value_heads=2)
    ).eval()  # fmt: skip
    model.set_attn_implementation(attention)
    episodes = []
    for seed, answers in enumerate([[(7, 8, chat.end_id), (9, 4), (5,)], [(30, 31)]]):
        turns = []
        for ids in answers:
            prompt = tuple(chat.prompt(turns, "Again." if turns else "Do it."))
            turns.append(Turn("Do it.", chat.text(ids), None, prompt_ids=prompt, response_ids=ids,
                              logprobs=(0.0,) * len(ids), whole_prompt=True))  # fmt: skip
        episodes.append(Episode("t", seed, tuple(turns)))
    batch = to_batch(episodes, range(2))

    def largest_error():
        with torch.no_grad():
            scored = action_logprobs(model, forward(model, batch), batch)
            errors = []
            for row, episode in enumerate(episodes):
                for number, turn in enumerate(episode.turns):
                    logits = model(torch.tensor([[*turn.prompt_ids, *turn.response_ids]])).logits[0]
                    alone = torch.log_softmax(logits, -1)
                    start = len(turn.prompt_ids) - 1
                    expected = alone[start:-1].gather(-1, torch.tensor(turn.response_ids)[:, None])[:, 0]
                    errors.append((scored[row][batch.turn_ids[row] == number] - expected).abs().max())
        return float(max(errors))

    assert largest_error() < 1e-5
    batch.positions = None  # the control: as one conversation, turns would see each other
    assert largest_error() > 1e-3
